/*
 * An IOMMU driver for SEV guests, for the tests of binaries: right as it stands, wrong with one of the FAULT_ macros.
 *
 * It finds the C-bit by CPUID and SEV_STATUS, edits the page tables that CR3 names, opens common buffers in place by
 * way of a stash, and bounces everything else. It keeps its records in static arrays, so that Unmap of a common buffer
 * needs no memory service.
 *
 * Spec: UEFI 2.10, 4.4 and 7.1 to 7.3; EDK II MdeModulePkg/Include/Protocol/IoMmu.h.
 */

#define API __attribute__((ms_abi))
#define PAGE 4096ull
#define LARGE 0x200000ull
#define ERROR(n) (0x8000000000000000ull | (n))
#define INVALID_PARAMETER ERROR(2)
#define UNSUPPORTED ERROR(3)
#define OUT_OF_RESOURCES ERROR(9)
#define TPL_CALLBACK 8
#define TPL_NOTIFY 16
#ifdef FAULT_TEARS_DOWN_AT_ONCE
#define HANDLER_TPL TPL_NOTIFY
#else
#define HANDLER_TPL TPL_CALLBACK
#endif
#define EVT_NOTIFY_SIGNAL 0x200
#define EVT_SIGNAL_EXIT_BOOT_SERVICES 0x201
#define ANY_PAGES 0
#define BOOT_SERVICES_DATA 4
#define RUNTIME_SERVICES_DATA 6
#define BUFFERS 32
#define BUFFER_PAGES 64
#define MAPPINGS 128
#define TABLES 40

typedef unsigned long long u64;
typedef unsigned int u32;
typedef unsigned char u8;

typedef struct { u64 header[3]; void *service[45]; } boot_services;
typedef struct { u8 head[0x60]; boot_services *boot; } system_table;

typedef u64 (API *allocate_pages)(u32 type, u32 memory_type, u64 pages, u64 *memory);
typedef u64 (API *free_pages)(u64 memory, u64 pages);
typedef u64 (API *create_event)(u32 type, u64 tpl, void *function, void *context, void **event);
typedef u64 (API *signal_event)(void *event);
typedef u64 (API *install_protocol)(void **handle, const void *guid, u32 type, void *interface);

enum { ALLOCATE_PAGES = 2, FREE_PAGES = 3, CREATE_EVENT = 7, SIGNAL_EVENT = 10, INSTALL_PROTOCOL = 13 };

typedef struct { u64 host, pages, stash; u32 opened[BUFFER_PAGES]; } buffer;
typedef struct { u32 used, operation; u64 host, length, opened, pages; buffer *owner; u64 order; } mapping;

static const u8 iommu_guid[16] = {0xe9, 0x9d, 0x93, 0x4e, 0x48, 0xd9, 0x0f, 0x4b,
                                  0x88, 0xed, 0xe6, 0xe1, 0xce, 0x51, 0x7c, 0x1e};
static boot_services *boot;
static u64 cbit, next_table, last_table, made;
static buffer buffers[BUFFERS];
static mapping mappings[MAPPINGS];
static void *deferred;
static int closed;

#define CALL(number, kind) ((kind)boot->service[number])

void *memset(void *to, int value, u64 count)
{
    void *at = to;
    u64 words = count / 8, rest = count % 8, pattern = (value & 255) * 0x0101010101010101ull;
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(rest) : "a"(pattern) : "memory");
    return to;
}

static void copy(u64 to, u64 from, u64 count)
{
    u64 words = count / 8, rest = count % 8;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
}

static void zero(u64 at, u64 pages)
{
    memset((void *)at, 0, pages * PAGE);
}

static u64 pages_for(u64 bytes)
{
    return (bytes + PAGE - 1) / PAGE;
}

/* The C-bit, or 0 outside of an SEV guest. */
static u64 find_cbit(void)
{
    u32 a = 0x8000001f, b, c = 0, d, low, high;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if (!(a & 2)) return 0;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0xc0010131));
    return low & 1 ? 1ull << (b & 63) : 0;
}

static u64 *leaf_of(u64 address)
{
    u64 root, entry;
    u64 *table;
    int shift;
    __asm__ volatile("mov %%cr3, %0" : "=r"(root));
    table = (u64 *)(root & ~cbit & ~(PAGE - 1));
    for (shift = 39; shift > 12; shift -= 9) {
        u64 *at = &table[address >> shift & 511];
        entry = *at;
        if (shift == 21 && entry & 0x80) {
            u64 *fresh = (u64 *)next_table, index, base = entry & ~0x80ull;
            if (next_table == last_table) __builtin_trap();
            next_table += PAGE;
            for (index = 0; index < 512; index++) fresh[index] = base + index * PAGE;
            *at = (u64)fresh | 7;
            entry = *at;
        }
        table = (u64 *)(entry & ~cbit & 0x000ffffffffff000ull);
    }
    return &table[address >> 12 & 511];
}

static void set_cbit(u64 address, u64 pages, int set)
{
    u64 root, index;
    for (index = 0; index < pages; index++) {
        u64 *leaf = leaf_of(address + index * PAGE);
        *leaf = set ? *leaf | cbit : *leaf & ~cbit;
    }
    __asm__ volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(root) : : "memory");
}

/* Change one page of a common buffer, and rewrite it by way of the stash. */
static void turn(buffer *owner, u64 page, int set)
{
    u64 at = owner->host + page * PAGE, stash = owner->stash + page * PAGE;
    copy(stash, at, PAGE);
    set_cbit(at, 1, set);
    copy(at, stash, PAGE);
}

static buffer *owner_of(u64 host, u64 length)
{
    int index;
    for (index = 0; index < BUFFERS; index++) {
        buffer *it = &buffers[index];
        if (it->pages && it->host <= host && host + length <= it->host + it->pages * PAGE) return it;
    }
    return 0;
}

static void end(mapping *it, int exiting)
{
    u64 page;
    if (it->owner) {
        for (page = it->opened; page < it->opened + it->pages; page++)
            if (!--it->owner->opened[page]) turn(it->owner, page, 1);
    } else {
        if (it->operation % 3 == 1) copy(it->host, it->opened, it->length);
        set_cbit(it->opened, it->pages, 1);
#ifndef FAULT_KEEPS_PLAINTEXT
        zero(it->opened, it->pages);
#endif
#ifdef FAULT_FREES_AT_EXIT
        exiting = 0;
#endif
        if (!exiting) CALL(FREE_PAGES, free_pages)(it->opened, it->pages);
    }
    it->used = 0;
}

static void API tear_down(void *event, void *context)
{
    closed = 1;
    for (;;) {
        mapping *newest = 0;
        int index;
        for (index = 0; index < MAPPINGS; index++)
            if (mappings[index].used && (!newest || mappings[index].order > newest->order)) newest = &mappings[index];
        if (!newest) return;
        end(newest, 1);
    }
}

static void API on_exit(void *event, void *context)
{
#ifdef FAULT_TEARS_DOWN_AT_ONCE
    tear_down(event, context);
#else
    CALL(SIGNAL_EVENT, signal_event)(deferred);
#endif
}

static u64 API set_attribute(void *this, void *device, void *token, u64 access)
{
    return UNSUPPORTED;
}

static u64 API map(void *this, u32 operation, u64 host, u64 *length, u64 *device, void **token)
{
    mapping *it = 0;
    u64 page;
    int index;
    if (operation > 5 || !length || !*length || !device || !token) return INVALID_PARAMETER;
    if (closed) return OUT_OF_RESOURCES;
    for (index = 0; index < MAPPINGS && !it; index++)
        if (!mappings[index].used) it = &mappings[index];
    if (!it) return OUT_OF_RESOURCES;
    it->used = 1;
    it->operation = operation;
    it->host = host;
    it->length = *length;
    it->owner = 0;
    it->order = ++made;
    if (operation % 3 == 2) {
        it->owner = owner_of(host, *length);
        if (!it->owner) {
            it->used = 0;
            return INVALID_PARAMETER;
        }
        it->opened = (host - it->owner->host) / PAGE;
        it->pages = pages_for(host + *length - it->owner->host) - it->opened;
        for (page = it->opened; page < it->opened + it->pages; page++)
            if (!it->owner->opened[page]++) turn(it->owner, page, 0);
        *device = host;
    } else {
        u64 bounce = 0, pages = pages_for(*length);
        if (CALL(ALLOCATE_PAGES, allocate_pages)(ANY_PAGES, BOOT_SERVICES_DATA, pages, &bounce)) {
            it->used = 0;
            return OUT_OF_RESOURCES;
        }
        it->opened = bounce;
        it->pages = pages;
        set_cbit(bounce, pages, 0);
        zero(bounce, pages);
        if (operation % 3 == 0) copy(bounce, host, *length);
        *device = bounce;
    }
    *token = it;
    return 0;
}

static u64 API unmap(void *this, mapping *it)
{
    u64 offset = (u64)it - (u64)mappings;
    if (offset >= sizeof mappings || offset % sizeof *it || !it->used) return INVALID_PARAMETER;
    end(it, closed);
    return 0;
}

static u64 API allocate_buffer(void *this, u32 type, u32 memory_type, u64 pages, void **host, u64 attributes)
{
    buffer *it = 0;
    u64 start = 0;
    int index;
    if (!host || !pages || (memory_type != BOOT_SERVICES_DATA && memory_type != RUNTIME_SERVICES_DATA))
        return INVALID_PARAMETER;
    for (index = 0; index < BUFFERS && !it; index++)
        if (!buffers[index].pages) it = &buffers[index];
    if (!it || pages > BUFFER_PAGES) return OUT_OF_RESOURCES;
    if (CALL(ALLOCATE_PAGES, allocate_pages)(ANY_PAGES, memory_type, 2 * pages, &start)) return OUT_OF_RESOURCES;
    zero(start, 2 * pages);
    memset(it, 0, sizeof *it);
    it->host = start;
    it->stash = start + pages * PAGE;
    it->pages = pages;
    *host = (void *)start;
    return 0;
}

static u64 API free_buffer(void *this, u64 pages, u64 host)
{
    buffer *it = owner_of(host, PAGE);
    u64 page;
    if (!it || it->host != host || it->pages != pages) return INVALID_PARAMETER;
    for (page = 0; page < pages; page++)
        if (it->opened[page]) return INVALID_PARAMETER;
    it->pages = 0;
    return CALL(FREE_PAGES, free_pages)(host, 2 * pages);
}

static struct { u64 revision; void *member[5]; } interface;

u64 API efi_main(void *image, system_table *system)
{
    void *event, *handle = 0;
    u64 status;
    boot = system->boot;
    cbit = find_cbit();
    if (!cbit) return UNSUPPORTED;
    status = CALL(ALLOCATE_PAGES, allocate_pages)(ANY_PAGES, BOOT_SERVICES_DATA, TABLES, &next_table);
    if (status) return status;
    last_table = next_table + TABLES * PAGE;
    status = CALL(CREATE_EVENT, create_event)(EVT_NOTIFY_SIGNAL, TPL_CALLBACK, tear_down, 0, &deferred);
    if (status) return status;
    status = CALL(CREATE_EVENT, create_event)(EVT_SIGNAL_EXIT_BOOT_SERVICES, HANDLER_TPL, on_exit, 0, &event);
    if (status) return status;
    interface.revision = 0x10000;
    interface.member[0] = set_attribute;
    interface.member[1] = map;
    interface.member[2] = unmap;
    interface.member[3] = allocate_buffer;
    interface.member[4] = free_buffer;
    return CALL(INSTALL_PROTOCOL, install_protocol)(&handle, iommu_guid, 0, &interface);
}
