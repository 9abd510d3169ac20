#include "manifests.hpp"

#include "controller/fence.hpp"
#include "controller/manifests.hpp"
#include "kube/base/json.hpp"

#include <yaml-cpp/yaml.h>

#include <cstdio>
#include <string>

namespace endoscope::cmd {

int print_manifests(bool all, bool fence) {
    std::string text = controller::embedded_crds_yaml();
    if (!text.ends_with('\n')) text += '\n';
    if (all) {
        // The port is dev's default; the certificate authority exists only once dev runs.
        for (const auto& configuration : controller::webhook_configurations("https://127.0.0.1:9443", "")) {
            // JSON is YAML; read in and written out it becomes the block style that people expect.
            YAML::Emitter out;
            out.SetSeqFormat(YAML::Block);
            out.SetMapFormat(YAML::Block);
            out << YAML::Load(kube::dump_json(configuration));
            text += "---\n" + std::string(out.c_str()) + "\n";
        }
    }
    if (fence) text += controller::fence_yaml();
    return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}

}  // namespace endoscope::cmd
