#pragma once

#include "tests/model/admission.hpp"
#include "tests/model/cluster.hpp"
#include "tests/model/reply.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>

namespace model {

/// POST, PUT, PATCH and DELETE, in a real API server's order: decoding, defaults, mutating webhooks, preparation,
/// validation, validating webhooks, storage.
class Writes {
  public:
    Writes(Cluster& cluster, Admission& admission) : cluster_(cluster), admission_(admission) {}

    boost::asio::awaitable<Outcome<Reply>> create(Request& request);
    boost::asio::awaitable<Outcome<Reply>> update(Request& request);
    boost::asio::awaitable<Outcome<Reply>> patch(Request& request);
    boost::asio::awaitable<Outcome<Reply>> remove(Request& request);
    boost::asio::awaitable<Outcome<Reply>> remove_collection(Request& request);
    /// POST pods/{name}/binding.
    boost::asio::awaitable<Outcome<Reply>> bind(Request& request);
    /// POST pods/{name}/eviction.
    boost::asio::awaitable<Outcome<Reply>> evict(Request& request);

  private:
    /// Turns the current state (as the client sees it) into the wanted one.
    using Change = std::function<Outcome<Json>(const Json& view)>;
    struct DeleteOptions {
        std::optional<long long> grace;
        std::string uid;
        std::string resource_version;
        bool dry_run = false;
    };

    boost::asio::awaitable<Outcome<Reply>> change(Request& request, Change wanted, std::string options_kind);
    boost::asio::awaitable<Outcome<Json>> remove_one(Request& request, Object existing, DeleteOptions options);
    static void read_delete_options(const Json& body, DeleteOptions& options);
    static std::optional<ApiError> precondition_problem(const ResourceInfo& info, const Json& existing,
                                                        const DeleteOptions& options);
    Outcome<Json> commit_removal(const Request& request, const Object& existing, const DeleteOptions& options);
    Outcome<Json> decode_patch_result(Request& request, Json patched, const std::string& shown);
    Outcome<Json> parse_body(const Request& request) const;
    Outcome<DeleteOptions> parse_delete_options(const Request& request) const;
    std::optional<ApiError> namespace_problem(const Request& request) const;
    std::optional<ApiError> report_unknown(Request& request, const ResourceInfo& info,
                                           const std::vector<std::string>& unknown) const;
    AdmissionAttributes attributes(const Request& request, std::string operation, std::string options_kind) const;

    Cluster& cluster_;
    Admission& admission_;
};

}  // namespace model
