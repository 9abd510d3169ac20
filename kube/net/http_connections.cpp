#include "kube/net/http_connections.hpp"

namespace kube {

ConnectionTable::Slot::Slot(ConnectionTable& table, ByteStream& stream)
    : table_(table), stream_(stream), place_(table.slots_.insert(table.slots_.end(), this)) {
    ++table_.size_;
}

ConnectionTable::Slot::~Slot() {
    if (!closed_) --table_.size_;
    table_.held_ -= held_;
    table_.slots_.erase(place_);
}

bool ConnectionTable::Slot::hold(std::size_t bytes) {
    if (closed_) return false;
    if (held_ == 0) holding_since_ = ++table_.counter_;
    table_.held_ += bytes - held_;
    held_ = bytes;
    while (table_.held_ > table_.options_.max_total_body_bytes) {
        Slot* const victim = table_.oldest_holder(*this);
        if (victim == nullptr) return false;
        table_.close(*victim, "memory");
    }
    return true;
}

void ConnectionTable::Slot::begin_exchange() {
    busy_ = true;
    proven_ = true;
}

void ConnectionTable::Slot::end_exchange() {
    busy_ = false;
    table_.held_ -= held_;
    held_ = 0;
    table_.slots_.splice(table_.slots_.end(), table_.slots_, place_);
}

bool ConnectionTable::make_room() {
    while (size_ >= options_.max_connections) {
        Slot* victim = oldest_idle(false);
        if (victim == nullptr) victim = oldest_idle(true);
        if (victim == nullptr) return false;
        close(*victim, "connections");
    }
    return true;
}

void ConnectionTable::close_all() {
    for (Slot* const slot : slots_) slot->stream_.close();
}

void ConnectionTable::close(Slot& slot, std::string_view why) {
    slot.closed_ = true;
    --size_;
    held_ -= slot.held_;
    slot.held_ = 0;
    if (options_.observer != nullptr) options_.observer->on_refused(why);
    slot.stream_.close();
}

ConnectionTable::Slot* ConnectionTable::oldest_idle(bool proven) {
    for (Slot* const slot : slots_) {
        if (!slot->busy_ && !slot->closed_ && slot->proven_ == proven) return slot;
    }
    return nullptr;
}

ConnectionTable::Slot* ConnectionTable::oldest_holder(const Slot& other_than) {
    Slot* oldest = nullptr;
    for (Slot* const slot : slots_) {
        if (slot == &other_than || slot->busy_ || slot->held_ == 0) continue;
        if (oldest == nullptr || slot->holding_since_ < oldest->holding_since_) oldest = slot;
    }
    return oldest;
}

}  // namespace kube
