#include "tests/model/kubeconfig.hpp"

#include "tests/model/encoding.hpp"
#include "tests/model/json_tools.hpp"

namespace model {

std::string kubeconfig(const std::string& server, const std::string& ca_pem, const std::string& user,
                       const kube::KeyPair& certificate) {
    return "apiVersion: v1\nkind: Config\ncurrent-context: model\nclusters:\n- name: model\n  cluster:\n    server: " +
           server + "\n    certificate-authority-data: " + base64_encode(ca_pem) + "\nusers:\n- name: " + quote(user) +
           "\n  user:\n    client-certificate-data: " + base64_encode(certificate.certificate_pem) +
           "\n    client-key-data: " + base64_encode(certificate.key_pem) +
           "\ncontexts:\n- name: model\n  context:\n    cluster: model\n    user: " + quote(user) +
           "\n    namespace: default\n";
}

}  // namespace model
