#include "kube/client/status.hpp"

#include <gtest/gtest.h>

namespace kube {
namespace {

struct Row {
    int code;
    const char* body;
    ErrorKind kind;
};

TEST(Status, CodesAndReasonsBecomeKinds) {
    const Row rows[] = {
        {400, R"({"kind":"Status","reason":"BadRequest","message":"m"})", ErrorKind::bad_request},
        {401, R"({"kind":"Status","reason":"Unauthorized","message":"m"})", ErrorKind::unauthorized},
        {403, R"({"kind":"Status","reason":"Forbidden","message":"m"})", ErrorKind::forbidden},
        {404, "404 page not found\n", ErrorKind::not_found},
        {409, R"({"kind":"Status","reason":"Conflict","message":"m"})", ErrorKind::conflict},
        {409, R"({"kind":"Status","reason":"AlreadyExists","message":"m"})", ErrorKind::already_exists},
        {410, R"({"kind":"Status","reason":"Expired","message":"m"})", ErrorKind::gone},
        {415, R"({"kind":"Status","reason":"UnsupportedMediaType","message":"m"})", ErrorKind::bad_request},
        {422, R"({"kind":"Status","reason":"Invalid","message":"m"})", ErrorKind::invalid},
        {429, R"({"kind":"Status","reason":"TooManyRequests","message":"m"})", ErrorKind::too_many_requests},
        {500, R"({"kind":"Status","message":"no reason at all"})", ErrorKind::server},
        {503, "", ErrorKind::server},
    };
    for (const Row& row : rows) {
        const Error error = error_from_response(row.code, row.body, HttpHeaders());
        EXPECT_EQ(error.kind, row.kind) << row.code << " " << row.body;
        EXPECT_EQ(error.http_status, row.code);
        EXPECT_FALSE(error.message.empty());
    }
}

TEST(Status, CausesNameAndRetryAfterAreRead) {
    HttpHeaders headers;
    headers.set("Retry-After", "7");
    const Error error = error_from_response(
        422,
        R"({"kind":"Status","message":"Pod \"p\" is invalid","reason":"Invalid","details":{"name":"p","causes":[)"
        R"({"reason":"FieldValueInvalid","message":"field is immutable","field":"metadata.uid"}]}})",
        headers);
    EXPECT_EQ(error.object_name, "p");
    ASSERT_EQ(error.causes.size(), 1U);
    EXPECT_EQ(error.causes[0].field, "metadata.uid");
    EXPECT_EQ(error.retry_after, std::chrono::seconds(7));
}

TEST(Status, RetryAfterThatIsNotWholeSecondsIsIgnored) {
    for (const char* value : {"", "soon", "1.5", "-3", "-0", "+1", "99999999999", "Wed, 21 Oct 2015 07:28:00 GMT"}) {
        HttpHeaders headers;
        headers.set("Retry-After", value);
        EXPECT_FALSE(error_from_response(503, "{}", headers).retry_after) << value;
    }
}

TEST(Status, ForeignBodiesAreCutAndEscaped) {
    const Error error = error_from_response(502, std::string(10000, '\x1b'), HttpHeaders());
    EXPECT_LE(error.message.size(), 2048U * 6);
    EXPECT_EQ(error.message.find('\x1b'), std::string::npos);
}

TEST(Status, AnErrorEventOfAWatchCarriesItsOwnCode) {
    EXPECT_EQ(error_from_status_object(R"({"kind":"Status","code":410,"reason":"Expired","message":"too old"})").kind,
              ErrorKind::gone);
    EXPECT_EQ(error_from_status_object("{}").kind, ErrorKind::server);
    EXPECT_EQ(error_from_status_object(R"({"kind":"Status","reason":"Expired"})").kind, ErrorKind::gone);
    for (const char* code : {"0", "-1", "200", "1e99", "99999999999999999999", "null", "\"410\""}) {
        const std::string text = std::string(R"({"kind":"Status","message":"m","code":)") + code + "}";
        EXPECT_EQ(error_from_status_object(text).kind, ErrorKind::server) << code;
    }
}

}  // namespace
}  // namespace kube
