#include "kube/base/memory.hpp"

#include <cstdint>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

namespace kube {

namespace {

/// Read-only segments were never written to, so that the file still holds all of them; relocated constants are in
/// writable ones.
int release_read_only_segments(dl_phdr_info* module, std::size_t /*size*/, void* page_mask) {
    const auto mask = *static_cast<const std::uintptr_t*>(page_mask);
    for (ElfW(Half) i = 0; i < module->dlpi_phnum; ++i) {
        const ElfW(Phdr)& segment = module->dlpi_phdr[i];
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
        const std::uintptr_t begin = (module->dlpi_addr + segment.p_vaddr) & mask;
        const std::uintptr_t end = module->dlpi_addr + segment.p_vaddr + segment.p_memsz;
        // NOLINTNEXTLINE(performance-no-int-to-ptr): ELF gives addresses as numbers.
        madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
    return 0;
}

}  // namespace

void release_start_up_memory() {
    malloc_trim(0);
    std::uintptr_t page_mask = ~(static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE)) - 1);
    dl_iterate_phdr(release_read_only_segments, &page_mask);
}

}  // namespace kube
