#pragma once

#include "kube/client/client.hpp"

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>

namespace endoscope::test {

using nlohmann::json;

/// One user's view of an API server: small synchronous calls.
class User {
  public:
    explicit User(const std::string& kubeconfig);
    ~User();
    User(const User&) = delete;
    User& operator=(const User&) = delete;

    /// `path` may carry a query.
    kube::Result<json> request(const std::string& method, const std::string& path, const json& body = nullptr,
                               const std::string& content_type = "application/json");
    /// null when it is not there or cannot be read: for waiting only. What must be absent is asked by `is_absent`.
    json get(const std::string& path);
    bool is_absent(const std::string& path);
    kube::Result<json> create(const json& object);
    /// Creates the object, or brings the stored one to it by a merge patch.
    kube::Result<json> put_in_place(const json& object);
    /// What `create` would store, without storing it.
    kube::Result<json> rehearse(const json& object);
    kube::Result<json> merge(const std::string& path, const json& patch);
    bool remove(const std::string& path);

  private:
    boost::asio::io_context io_;
    std::unique_ptr<kube::Clock> clock_;
    std::unique_ptr<kube::Client> client_;
};

/// GET over plain HTTP on loopback; the body, or "" when nothing answers with 200.
std::string http_get(unsigned short port, const std::string& path);
/// POST of JSON over TLS on loopback, whatever the certificate.
kube::Result<std::string> https_post(unsigned short port, const std::string& path, const json& body);
/// GET over TLS on loopback, with a bearer token unless that is empty. `anchor` is the certificate to trust; empty
/// trusts any.
kube::Result<std::string> https_get(unsigned short port, const std::string& path, const std::string& token,
                                    const std::string& anchor = "");

}  // namespace endoscope::test
