#pragma once

#include "controller/pod_view.hpp"
#include "controller/progress.hpp"
#include "controller/session.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace endoscope::controller {

/// One Pod of a session as it stands at this moment.
struct PartView {
    SessionPart part;
    Progress progress;
    std::shared_ptr<const PodView> pod;  ///< Null: it is gone, or was never looked at.
};

/// The progress of a part whose container has not been added, or never will be. Its state is "Pending" or
/// "NotInjected".
Progress progress_without_container(const SessionPart& part);

/// The end that is on record for a Pod, for when the Pod itself is gone and shows nothing any more. Nothing where no
/// end is on record.
std::optional<Progress> recorded_end(const api::TargetStatus& row);

/// The progress of the whole request from that of its Pods. One Pod: its own. Several: Running from the first start on
/// until all are over; then Failed if any failed, Expired if any expired, else Succeeded. Pure.
Progress combine(const std::vector<PartView>& parts);

/// Whether further Pods of the request get their container now: the first did start, or none has been tried yet (slow
/// start: what is wrong with an image or a command shows in one Pod).
bool may_go_on(const std::vector<PartView>& parts);

/// Why the Pods that have no container yet never get one: no container of the request started. Nothing while one may
/// still start.
std::optional<SessionPart::Refused> reason_to_stop(const std::vector<PartView>& parts);

}  // namespace endoscope::controller
