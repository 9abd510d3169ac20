#include "kube/runtime/admission.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/recording_writer.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <stdexcept>

namespace endoscope::fuzz {
namespace {

/// Allows what has an object, with its name in a patch; throws where there is none.
kube::AdmissionResponse judge(const kube::AdmissionRequest& request) {
    if (request.object.is_null()) throw std::runtime_error("no object");
    auto response = kube::AdmissionResponse::allow();
    response.patch = nlohmann::json::array({{{"op", "add"}, {"path", "/x"}, {"value", request.name}}});
    response.warnings = {request.user.username};
    return response;
}

/// What the webhook answers to `body`.
kube::HttpResponse answer_to(std::string_view body) {
    static kube::test::ManualClock clock;
    const auto handler = kube::make_admission_handler(clock, {{"/judge", judge}}, nullptr);
    kube::HttpExchange exchange;
    exchange.request.method = "POST";
    exchange.request.target = "/judge?timeout=5s";
    exchange.request.headers.set("Content-Type", "application/json");
    exchange.request.body = std::string(body);
    kube::test::RecordingWriter writer;
    boost::asio::io_context io;
    boost::asio::co_spawn(io, handler(exchange, writer), boost::asio::detached);
    io.run();
    return writer.answer;
}

void check(std::string_view body) {
    const auto request = kube::parse_admission_review(body);
    const kube::HttpResponse answer = answer_to(body);
    if (answer.status == 400) {
        require(!request, "what can be read is reviewed");
        return;
    }
    require(answer.status == 200, "there are two kinds of answers");
    const auto review = json_of(answer.body);
    require(review.has_value(), "the answer is JSON");
    require((*review)["apiVersion"] == "admission.k8s.io/v1", "the answer is of the version that was asked in");
    const auto asked = json_of(body);
    require(asked.has_value() && (*asked)["request"]["uid"] == (*review)["response"]["uid"], "the uid is the asker's");
    const bool allowed = (*review)["response"]["allowed"].get<bool>();
    require(!allowed || (request && !request->object.is_null()), "nothing that cannot be read is allowed");
    require(!request || !request->operation.empty(), "a review that is read has an operation");
}

}  // namespace
}  // namespace endoscope::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    endoscope::fuzz::check(endoscope::fuzz::text_of(data, size));
    return 0;
}
