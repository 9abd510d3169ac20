#pragma once

namespace kube {

/// Gives back what only starting up needed: free pages of the heap, and the resident pages of code and constants, of
/// which those still used come back from the page cache at the next access. For long-lived processes, once they are
/// ready. Pages that a debugger has changed (breakpoints) are given back, too.
void release_start_up_memory();

}  // namespace kube
