#include "link.h"

#include "wire.h"

enum { PORT = 0x3e8, LINE_STATUS = PORT + 5, DATA_READY = 1, TRANSMITTER_EMPTY = 0x20 };

static uint8_t in(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void out(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

uint64_t link_lock(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
    return flags;
}

void link_unlock(uint64_t flags)
{
    if (flags & 0x200)
        __asm__ volatile("sti" : : : "memory");
}

/* CRC-32 as of IEEE 802.3, byte by byte; begins and ends with 0xffffffff. */
static uint32_t checked(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (int bit = 0; bit < 8; bit++)
        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    return crc;
}

static void put(uint8_t byte)
{
    while (!(in(LINE_STATUS) & TRANSMITTER_EMPTY))
        ;
    out(PORT, byte);
}

static uint32_t put_checked(uint32_t crc, uint8_t byte)
{
    put(byte);
    return checked(crc, byte);
}

void link_send(const uint8_t *payload, uint16_t length)
{
    uint64_t flags = link_lock();
    uint32_t crc = 0xffffffffu;
    put(WIRE_START);
    crc = put_checked(crc, (uint8_t)length);
    crc = put_checked(crc, (uint8_t)(length >> 8));
    for (uint16_t i = 0; i < length; i++)
        crc = put_checked(crc, payload[i]);
    crc = ~crc;
    for (int shift = 0; shift < 32; shift += 8)
        put((uint8_t)(crc >> shift));
    link_unlock(flags);
}

static uint8_t get(void)
{
    while (!(in(LINE_STATUS) & DATA_READY))
        ;
    return in(PORT);
}

int link_receive(uint8_t *payload, uint16_t room)
{
    uint32_t crc = 0xffffffffu, sent = 0;
    uint8_t low, high;
    while (get() != WIRE_START)
        ;
    low = get();
    high = get();
    uint16_t length = (uint16_t)(low | high << 8);
    crc = checked(checked(crc, low), high);
    if (length > room)
        return -1;
    for (uint16_t i = 0; i < length; i++)
        crc = checked(crc, payload[i] = get());
    for (int shift = 0; shift < 32; shift += 8)
        sent |= (uint32_t)get() << shift;
    return sent == ~crc ? length : -1;
}
