/* A byte ring for one producer and one consumer that never wait for each other.
 *
 * Positions count bytes for ever (64 bits), so full and empty need no special case and a reader of the level needs no
 * lock. The producer can void what it has queued: skip() marks it, the consumer jumps over it. Memory is twice the
 * limit, so that after a skip a whole limit can be queued before the consumer has come by.
 */
#ifndef SOFTPHONE_PCMRING_HPP
#define SOFTPHONE_PCMRING_HPP

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>

namespace pj {

class PcmRing
{
public:
    explicit PcmRing(size_t limit) : limit_(limit), size_(64)
    {
        while (size_ < 2 * limit) size_ <<= 1;
        bytes_.reset(new unsigned char[size_]);
    }

    size_t limit() const { return limit_; }

    /* Bytes queued and not voided. Any thread. */
    size_t level() const
    {
        uint64_t from = std::max(tail_.load(std::memory_order_acquire), skip_.load(std::memory_order_acquire));
        uint64_t to = head_.load(std::memory_order_acquire);
        return to > from ? (size_t)(to - from) : 0;
    }

    /* What push() would take now. Producer. */
    size_t room() const
    {
        size_t free = size_ - (size_t)(head_.load(std::memory_order_relaxed) - tail_.load(std::memory_order_acquire));
        size_t queued = level();
        return std::min(free, limit_ > queued ? limit_ - queued : 0);
    }

    /* Queues at most `n` bytes of `data` (zeros when null); returns how many. Producer. */
    size_t push(const void *data, size_t n)
    {
        n = std::min(n, room());
        uint64_t head = head_.load(std::memory_order_relaxed);
        size_t at = (size_t)head & (size_ - 1);
        size_t first = std::min(n, size_ - at);
        if (data) {
            std::memcpy(&bytes_[at], data, first);
            std::memcpy(&bytes_[0], (const unsigned char *)data + first, n - first);
        } else {
            std::memset(&bytes_[at], 0, first);
            std::memset(&bytes_[0], 0, n - first);
        }
        head_.store(head + n, std::memory_order_release);
        return n;
    }

    /* Takes at most `n` bytes to `data` (drops them when null); returns how many. Consumer. */
    size_t pop(void *data, size_t n)
    {
        applySkip();
        uint64_t tail = tail_.load(std::memory_order_relaxed);
        n = std::min(n, (size_t)(head_.load(std::memory_order_acquire) - tail));
        size_t at = (size_t)tail & (size_ - 1);
        size_t first = std::min(n, size_ - at);
        if (data) {
            std::memcpy(data, &bytes_[at], first);
            std::memcpy((unsigned char *)data + first, &bytes_[0], n - first);
        }
        tail_.store(tail + n, std::memory_order_release);
        return n;
    }

    /* Voids everything queued up to now. Producer. */
    void skip() { skip_.store(head_.load(std::memory_order_relaxed), std::memory_order_release); }

    /* Jumps over what was voided; true when there was something. Consumer. */
    bool applySkip()
    {
        uint64_t skip = skip_.load(std::memory_order_acquire);
        if (skip <= tail_.load(std::memory_order_relaxed)) return false;
        tail_.store(skip, std::memory_order_release);
        return true;
    }

private:
    size_t limit_, size_;
    std::unique_ptr<unsigned char[]> bytes_;
    alignas(64) std::atomic<uint64_t> head_{0}; /* written by the producer */
    std::atomic<uint64_t> skip_{0};             /* written by the producer */
    alignas(64) std::atomic<uint64_t> tail_{0}; /* written by the consumer */
};

} // namespace pj

#endif
