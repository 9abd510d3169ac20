#include "kube/runtime/metrics.hpp"

#include <gtest/gtest.h>

namespace kube {
namespace {

TEST(RequestMetrics, NamesAndLabelsAreThoseOfControllerRuntime) {
    const Registry registry = make_registry();
    const auto observer = make_request_metrics(registry);
    observer->on_request("GET", "h:1", "200", std::chrono::milliseconds(20));
    observer->on_request("GET", "h:1", "<error>", std::chrono::milliseconds(20));
    observer->on_request("GET", "h:1", "200", std::chrono::milliseconds(20));
    observer->on_retry("GET", "h:1", "429");
    observer->on_request_size("PATCH", "h:1", 300);
    observer->on_response_size("GET", "h:1", 70000);
    observer->on_rate_limited("GET", "h:1", std::chrono::seconds(3));
    const std::string text = render_metrics(registry);
    for (const char* line : {R"(rest_client_requests_total{code="200",host="h:1",method="GET"} 2)",
                             R"(rest_client_requests_total{code="<error>",host="h:1",method="GET"} 1)",
                             R"(rest_client_request_retries_total{code="429",host="h:1",verb="GET"} 1)",
                             R"(rest_client_request_duration_seconds_count{host="h:1",verb="GET"} 3)",
                             R"(rest_client_request_duration_seconds_bucket{host="h:1",verb="GET",le="0.025"} 3)",
                             R"(rest_client_request_size_bytes_bucket{host="h:1",verb="PATCH",le="512"} 1)",
                             R"(rest_client_response_size_bytes_bucket{host="h:1",verb="GET",le="65536"} 0)",
                             R"(rest_client_response_size_bytes_sum{host="h:1",verb="GET"} 70000)",
                             R"(rest_client_rate_limiter_duration_seconds_sum{host="h:1",verb="GET"} 3)"}) {
        EXPECT_TRUE(text.contains(line)) << line << "\n" << text;
    }
}

}  // namespace
}  // namespace kube
