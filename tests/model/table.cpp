#include "tests/model/table.hpp"

#include "tests/model/table_cells.hpp"

namespace model {

std::string human_duration(kube::Duration duration) {
    const long long seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
    const auto two = [](long long a, const char* x, long long b, const char* y) {
        return std::to_string(a) + x + (b == 0 ? "" : std::to_string(b) + y);
    };
    if (seconds < -1) return "<invalid>";
    if (seconds < 0) return "0s";
    if (seconds < 120) return std::to_string(seconds) + "s";
    const long long minutes = seconds / 60;
    if (minutes < 10) return two(minutes, "m", seconds % 60, "s");
    if (minutes < 180) return std::to_string(minutes) + "m";
    const long long hours = minutes / 60;
    if (hours < 8) return two(hours, "h", minutes % 60, "m");
    if (hours < 48) return std::to_string(hours) + "h";
    const long long days = hours / 24;
    if (hours < 192) return two(days, "d", hours % 24, "h");
    if (days < 730) return std::to_string(days) + "d";
    return two(days / 365, "y", days % 365, "d");
}

Json partial_metadata(const Json& object) {
    Json out = {{"kind", "PartialObjectMetadata"}, {"apiVersion", "meta.k8s.io/v1"}};
    const Json* meta = find_at(object, {"metadata"});
    out["metadata"] = meta != nullptr ? *meta : Json::object();
    return out;
}

namespace {

std::vector<Column> columns_of(const ResourceInfo& info) {
    Column name;
    name.name = "Name";
    name.format = "name";
    std::vector<Column> out;
    if (!info.custom) return builtin_columns(info);
    out.push_back(std::move(name));
    if (info.columns.empty()) {
        Column age;
        age.name = "Age";
        age.type = "date";
        age.json_path = ".metadata.creationTimestamp";
        out.push_back(std::move(age));
    }
    out.insert(out.end(), info.columns.begin(), info.columns.end());
    return out;
}

/// A custom resource's cell: dates as ages, everything else by its declared type.
Json custom_cell(const Column& column, const Json& object, kube::WallTime now) {
    Json value = json_path(object, column.json_path);
    if (column.type == "date") {
        if (!value.is_string()) return "<unknown>";
        const auto time = parse_time(value.get<std::string>());
        return time ? Json(human_duration(now - *time)) : Json("<invalid>");
    }
    if (value.is_null()) return nullptr;
    if (column.type == "string") return value.is_string() ? value : Json(value.dump());
    if (column.type == "integer" && value.is_number()) return value;
    if (column.type == "number" && value.is_number()) return value;
    if (column.type == "boolean" && value.is_boolean()) return value;
    return nullptr;
}

Json row_object(const Json& object, const std::string& include) {
    if (include == "None") return nullptr;
    return include == "Object" ? object : partial_metadata(object);
}

}  // namespace

Json table_of(const ResourceInfo& info, const std::vector<Json>& objects, kube::WallTime now,
              const std::string& include, bool with_columns, Json metadata) {
    const std::vector<Column> columns = columns_of(info);
    Json rows = Json::array();
    for (const Json& object : objects) {
        Json cells = Json::array();
        if (info.custom) {
            cells.push_back(string_at(object, {"metadata", "name"}));
            for (std::size_t i = 1; i < columns.size(); ++i) cells.push_back(custom_cell(columns[i], object, now));
        } else {
            cells = builtin_cells(info, object, now);
        }
        Json row = {{"cells", std::move(cells)}};
        if (Json about = row_object(object, include); !about.is_null()) row["object"] = std::move(about);
        rows.push_back(std::move(row));
    }
    Json definitions = nullptr;
    if (with_columns) {
        definitions = Json::array();
        for (const Column& column : columns) {
            definitions.push_back({{"name", column.name},
                                   {"type", column.type},
                                   {"format", column.format},
                                   {"description", column.description},
                                   {"priority", column.priority}});
        }
    }
    return {{"kind", "Table"},
            {"apiVersion", "meta.k8s.io/v1"},
            {"metadata", std::move(metadata)},
            {"columnDefinitions", std::move(definitions)},
            {"rows", std::move(rows)}};
}

}  // namespace model
