/*
 * The agent: a UEFI application that calls the core's services for the suite, one by one, and tells what happens.
 *
 * It draws no conclusions. Each command is an act; each act becomes records: the call with what it was given, the return
 * with what it gave, and in between whatever ran meanwhile. An event that it creates may have a script of acts, which
 * its notification function performs. After ExitBootServices has returned success it calls the firmware no more.
 */
#include "link.h"
#include "uefi.h"
#include "wire.h"

enum { TPL_APPLICATION = 4, KEPT = 64, LOADER_DATA = 2, SPARE_RANGES = 64 };

struct act {
    uint8_t service;
    uint8_t slot;
    uint8_t flags;
    uint8_t reserved[5];
    uint64_t a, b, c;
    efi_guid guid;
};
_Static_assert(sizeof(struct act) == 48, "as the suite packs it");

struct slot {
    efi_event event;
    efi_guid group; /* kept for the event's life: a core may keep the pointer */
    uint8_t level;
    uint8_t length;
    struct act script[WIRE_SCRIPT];
};

static efi_handle image;
static efi_boot_services *services;
static struct slot slots[WIRE_SLOTS];
static void *kept[KEPT];
static unsigned kept_count;
static uint8_t level = TPL_APPLICATION;
static uint32_t stamp;
static int gone;
static uint8_t memory_map[WIRE_LONGEST * 4];

/* Records */

static uint8_t *store(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *at++ = (uint8_t)(value >> 8 * i);
    return at;
}

static void tell_with(
    uint8_t kind, uint8_t number, const uint64_t *values, uint8_t count, const uint8_t *rest, uint16_t length)
{
    static uint8_t payload[WIRE_LONGEST];
    uint64_t flags = link_lock();
    uint8_t *at = payload;
    while (count && !values[count - 1])
        count--; /* the suite takes what is not told as 0 */
    at = store(at, kind, 1);
    at = store(at, level, 1);
    at = store(at, ++stamp, 4);
    at = store(at, number, 1);
    at = store(at, count, 1);
    for (uint8_t i = 0; i < count; i++)
        at = store(at, values[i], 8);
    for (uint16_t i = 0; i < length; i++)
        *at++ = rest[i];
    link_send(payload, (uint16_t)(at - payload));
    link_unlock(flags);
}

static void tell(uint8_t kind, uint8_t number, const uint64_t *values, uint8_t count)
{
    tell_with(kind, number, values, count, 0, 0);
}

#define VALUES(...) (uint64_t[]){__VA_ARGS__}, sizeof((uint64_t[]){__VA_ARGS__}) / 8

/* Acts */

static void perform(const struct act *act);

static void EFIAPI notified(efi_event event, void *context)
{
    struct slot *slot = context;
    uint8_t before = level;
    (void)event;
    level = slot->level;
    tell(RECORD_BEGAN, (uint8_t)(slot - slots), 0, 0);
    for (uint8_t i = 0; i < slot->length; i++)
        perform(&slot->script[i]);
    tell(RECORD_ENDED, (uint8_t)(slot - slots), 0, 0);
    level = before;
}

/* a: type, b: NotifyTpl */
static efi_status create(const struct act *act)
{
    struct slot *slot = &slots[act->slot];
    efi_notify function = act->flags & FLAG_NOTIFY ? notified : 0;
    efi_event event = 0;
    efi_status status;
    slot->level = (uint8_t)act->b;
    slot->group = act->guid;
    if (act->service == SERVICE_CreateEvent)
        status = services->create_event((uint32_t)act->a, act->b, function, slot, &event);
    else
        status = services->create_event_ex(
            (uint32_t)act->a, act->b, function, slot, act->flags & FLAG_GROUP ? &slot->group : 0, &event);
    slot->event = status == EFI_SUCCESS ? event : 0;
    return status;
}

static efi_status close(struct slot *slot)
{
    efi_status status = services->close_event(slot->event);
    if (status == EFI_SUCCESS)
        slot->event = 0; /* a dangling handle is nothing that a core has to answer for */
    return status;
}

/* a: size of the buffer, or ~0 for a large one */
static void get_memory_map(const struct act *act)
{
    static uint8_t ranges[WIRE_LONGEST - 256];
    uint64_t size = act->a < sizeof memory_map ? act->a : sizeof memory_map, key = 0, step = 0;
    uint32_t version = 0;
    uint16_t length = 0;
    efi_status status = services->get_memory_map(&size, memory_map, &key, &step, &version);
    if (status == EFI_SUCCESS && act->flags & FLAG_RANGES && step >= sizeof(efi_memory_descriptor)) {
        for (uint64_t at = 0; at + step <= size && length + 12u <= sizeof ranges; at += step) {
            const efi_memory_descriptor *range = (const void *)(memory_map + at);
            store(ranges + length, range->type, 4);
            store(ranges + length + 4, range->physical_start >> 12, 4);
            store(ranges + length + 8, range->pages, 4);
            length += 12;
        }
    }
    uint64_t values[] = {status, size, key, step};
    tell_with(RECORD_RETURN, act->service, values, 4, ranges, length);
}

static efi_status call(const struct act *act, uint64_t *result)
{
    static uint8_t interface;
    struct slot *slot = &slots[act->slot];
    efi_status status;
    void *pointer = 0;
    efi_handle handle = 0;
    switch (act->service) {
    case SERVICE_CreateEvent:
    case SERVICE_CreateEventEx:
        return create(act);
    case SERVICE_CloseEvent:
        return close(slot);
    case SERVICE_SignalEvent:
        return services->signal_event(slot->event);
    case SERVICE_CheckEvent:
        return services->check_event(slot->event);
    case SERVICE_WaitForEvent:
        return services->wait_for_event(1, &slot->event, result);
    case SERVICE_SetTimer: /* a: delay, b: trigger time */
        return services->set_timer(slot->event, (uint32_t)act->a, act->b);
    case SERVICE_AllocatePages: /* a: how, and the type from bit 8 on, b: pages, c: address */
        *result = act->c;
        return services->allocate_pages((uint8_t)act->a, (uint32_t)(act->a >> 8), act->b, result);
    case SERVICE_FreePages: /* a: address, b: pages */
        return services->free_pages(act->a, act->b);
    case SERVICE_AllocatePool: /* a: type, b: size */
        status = services->allocate_pool((uint32_t)act->a, act->b, &pointer);
        *result = (uint64_t)pointer;
        if (act->flags & FLAG_KEPT && status == EFI_SUCCESS && kept_count < KEPT)
            kept[kept_count++] = pointer;
        return status;
    case SERVICE_FreePool: /* a: buffer */
        pointer = (void *)act->a;
        if (act->flags & FLAG_KEPT)
            pointer = kept_count ? kept[--kept_count] : 0;
        return services->free_pool(pointer);
    case SERVICE_ExitBootServices: /* a: key */
        status = services->exit_boot_services(image, act->a);
        gone = status == EFI_SUCCESS;
        return status;
    case SERVICE_Stall: /* a: microseconds */
        return services->stall(act->a);
    case SERVICE_LocateProtocol:
        return services->locate_protocol(&act->guid, 0, &pointer);
    case SERVICE_InstallProtocol:
        status = services->install_protocol(&handle, &act->guid, 0, &interface);
        *result = (uint64_t)handle;
        return status;
    case SERVICE_UninstallProtocol: /* a: handle */
        return services->uninstall_protocol((efi_handle)act->a, &act->guid, &interface);
    }
    return EFI_UNSUPPORTED;
}

static void connect_all(void)
{
    enum { ALL_HANDLES = 0 };
    uint64_t count = 0;
    efi_handle *handles = 0;
    if (services->locate_handle_buffer(ALL_HANDLES, 0, 0, &count, &handles) != EFI_SUCCESS)
        return;
    for (uint64_t i = 0; i < count; i++)
        services->connect_controller(handles[i], 0, 0, 1);
    services->free_pool(handles);
}

static void perform(const struct act *act)
{
    uint64_t result = 0;
    if (act->service == SERVICE_ConnectAll) {
        connect_all();
        return;
    }
    if (act->service == SERVICE_PassTime) {
        services->stall(act->a);
        return;
    }
    tell(RECORD_CALL, act->service, VALUES(act->slot, act->a, act->b, act->c));
    if (act->service == SERVICE_GetMemoryMap) {
        get_memory_map(act);
    } else if (act->service == SERVICE_RaiseTPL) {
        result = services->raise_tpl(act->a);
        level = (uint8_t)act->a;
        tell(RECORD_RETURN, act->service, VALUES(EFI_SUCCESS, result));
    } else if (act->service == SERVICE_RestoreTPL) {
        services->restore_tpl(act->a);
        level = (uint8_t)act->a;
        tell(RECORD_RETURN, act->service, VALUES(EFI_SUCCESS));
    } else {
        efi_status status = call(act, &result);
        tell(RECORD_RETURN, act->service, VALUES(status, result));
    }
}

/* The prompt */

static int readable(const struct act *acts, int count)
{
    if (count < 1 || count > WIRE_SCRIPT + 1 || gone)
        return 0;
    for (int i = 0; i < count; i++)
        if (acts[i].slot >= WIRE_SLOTS || acts[i].service < SERVICE_CreateEvent || acts[i].service > SERVICE_ConnectAll)
            return 0;
    return 1;
}

static void hello(const efi_system_table *table)
{
    uint8_t vendor[64];
    uint16_t length = 0;
    for (const uint16_t *at = table->firmware_vendor; at && *at && length < sizeof vendor; at++)
        vendor[length++] = (uint8_t)(*at < 0x7f ? *at : '?');
    uint64_t values[] = {table->header.revision, table->firmware_revision};
    tell_with(RECORD_HELLO, 0, values, 2, vendor, length);
}

efi_status EFIAPI efi_main(efi_handle handle, efi_system_table *table)
{
    static uint8_t payload[sizeof(struct act) * (WIRE_SCRIPT + 1)] __attribute__((aligned(8)));
    image = handle;
    services = table->boot_services;
    services->set_watchdog_timer(0, 0, 0, 0);
    hello(table);
    for (;;) {
        const struct act *acts = (const struct act *)payload;
        int length = link_receive(payload, sizeof payload);
        int count = (length + (int)sizeof(struct act) - 1) / (int)sizeof(struct act);
        for (int i = length; i >= 0 && i < count * (int)sizeof(struct act); i++)
            payload[i] = 0; /* zeros at the end are not sent */
        if (length < 0 || !readable(acts, count)) {
            tell(RECORD_REFUSED, 0, 0, 0);
            continue;
        }
        if (acts->service == SERVICE_CreateEvent || acts->service == SERVICE_CreateEventEx) {
            struct slot *slot = &slots[acts->slot];
            slot->length = (uint8_t)(count - 1);
            for (int i = 1; i < count; i++)
                slot->script[i - 1] = acts[i];
        }
        perform(acts);
        tell(RECORD_DONE, 0, 0, 0);
    }
}
