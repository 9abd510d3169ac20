#include "tests/bench/allocation_count.hpp"

#include <cstdlib>
#include <new>

namespace endoscope::bench {
namespace {

std::uint64_t& counter() {
    thread_local std::uint64_t count = 0;
    return count;
}

void* counted(void* memory) {
    if (memory == nullptr) throw std::bad_alloc();
    ++counter();
    return memory;
}

}  // namespace

std::uint64_t allocation_count() {
    return counter();
}

}  // namespace endoscope::bench

// All forms, as the run-time of a sanitizer has every one of them too, and would not come here for the others.
void* operator new(std::size_t size) {
    // malloc may answer a request for nothing with nullptr.
    return endoscope::bench::counted(std::malloc(size == 0 ? 1 : size));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    // aligned_alloc wants a whole number of alignments.
    const auto unit = static_cast<std::size_t>(alignment);
    return endoscope::bench::counted(std::aligned_alloc(unit, (size / unit + 1) * unit));
}
void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept try {
    return ::operator new(size);
} catch (const std::bad_alloc&) {
    return nullptr;
}
void* operator new[](std::size_t size) {
    return ::operator new(size);
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return ::operator new(size, alignment);
}
void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept {
    return ::operator new(size, tag);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t /*size*/) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t /*size*/, std::align_val_t /*alignment*/) noexcept {
    std::free(memory);
}
void operator delete(void* memory, const std::nothrow_t& /*tag*/) noexcept {
    std::free(memory);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t /*size*/) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::align_val_t /*alignment*/) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t /*size*/, std::align_val_t /*alignment*/) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, const std::nothrow_t& /*tag*/) noexcept {
    std::free(memory);
}
