#include <benchmark/benchmark.h>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

/// Google Benchmark's table, and the speeds by name for the ratios after it.
class Reporter final : public benchmark::ConsoleReporter {
  public:
    Reporter() : ConsoleReporter(OO_Tabular) {}

    void ReportRuns(const std::vector<Run>& runs) override {
        ConsoleReporter::ReportRuns(runs);
        for (const Run& run : runs) {
            failed_ = failed_ || run.error_occurred;
            const auto speed = run.counters.find("items_per_second");
            // With repetitions, the median.
            if (speed == run.counters.end() || (run.run_type == Run::RT_Aggregate && run.aggregate_name != "median")) {
                continue;
            }
            speeds_[run.run_name.str()] = speed->second.value;
        }
    }

    /// The one divided by the other. Nothing where one of them was not run.
    void print_ratio(std::string_view what, const std::string& of, const std::string& to) const {
        const auto first = speeds_.find(of);
        const auto second = speeds_.find(to);
        if (first == speeds_.end() || second == speeds_.end()) return;
        std::printf("%8.2f  %.*s\n", first->second / second->second, static_cast<int>(what.size()), what.data());
    }

    bool failed() const { return failed_; }

  private:
    std::map<std::string, double> speeds_;
    bool failed_ = false;
};

}  // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    Reporter reporter;
    benchmark::RunSpecifiedBenchmarks(&reporter);
    std::printf("\nratios of items per second, in this run:\n");
    reporter.print_ratio("image parsed and normalised : matched by upstream's expression in RE2", "parse_image",
                         "parse_image_by_re2");
    reporter.print_ratio("image parsed and normalised : copied and looked at", "parse_image", "scan_image");
    reporter.print_ratio("pattern matched by parts : by fnmatch on the whole text", "match_pattern",
                         "match_pattern_by_fnmatch");
    reporter.print_ratio("verdict, 1 policy of 1 pattern : 100 policies of 50, all selected",
                         "verdict/policies:1/patterns:1", "verdict/policies:100/patterns:50");
    reporter.print_ratio("verdict, 1 policy of 1 pattern : 100 policies of 50, one selected",
                         "verdict/policies:1/patterns:1", "verdict_one_selected/policies:100/patterns:50");
    reporter.print_ratio("verdict, 1 policy of 2 patterns : 100 policies of 50, half of them deny",
                         "verdict_half_deny/policies:1/patterns:2", "verdict_half_deny/policies:100/patterns:50");
    reporter.print_ratio("denial, 1 policy of 1 pattern : 100 policies of 50", "verdict_denied/policies:1/patterns:1",
                         "verdict_denied/policies:100/patterns:50");
    reporter.print_ratio("Pods: client, reflector and store, least projection : nlohmann's DOM",
                         "reflector_pods_minimal", "parse_dom/pods");
    reporter.print_ratio("Pods: as the operator runs it : nlohmann's DOM", "reflector_pods", "parse_dom/pods");
    reporter.print_ratio("Pods: as the operator runs it : nlohmann's SAX, nothing kept", "reflector_pods",
                         "parse_sax/pods");
    reporter.print_ratio("DebugRequests: as the operator runs it : nlohmann's DOM", "reflector_requests",
                         "parse_dom/requests");
    reporter.print_ratio("DebugRequests: as the operator runs it : nlohmann's SAX, nothing kept", "reflector_requests",
                         "parse_sax/requests");
    return reporter.failed() ? 1 : 0;
}
