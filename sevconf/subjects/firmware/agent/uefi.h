/*
 * What the agent uses of UEFI, declared from UEFI 2.10: 4.3 (system table), 4.4 (boot services table), chapter 7.
 * Services that it does not call are places in the table only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define EFIAPI __attribute__((ms_abi))
#define EFI_SUCCESS 0ULL
#define EFI_UNSUPPORTED (1ULL << 63 | 3)

typedef uint64_t efi_status;
typedef uint64_t efi_tpl;
typedef void *efi_handle;
typedef void *efi_event;

typedef struct {
    uint8_t bytes[16];
} efi_guid;

typedef struct {
    uint32_t type;
    uint64_t physical_start;
    uint64_t virtual_start;
    uint64_t pages;
    uint64_t attribute;
} efi_memory_descriptor;

typedef void(EFIAPI *efi_notify)(efi_event event, void *context);

typedef struct {
    uint64_t signature;
    uint32_t revision;
    uint32_t size;
    uint32_t crc32;
    uint32_t reserved;
} efi_table_header;

typedef struct {
    efi_table_header header;
    efi_tpl(EFIAPI *raise_tpl)(efi_tpl);
    void(EFIAPI *restore_tpl)(efi_tpl);
    efi_status(EFIAPI *allocate_pages)(uint32_t how, uint32_t type, uint64_t pages, uint64_t *memory);
    efi_status(EFIAPI *free_pages)(uint64_t memory, uint64_t pages);
    efi_status(EFIAPI *get_memory_map)(uint64_t *size, void *map, uint64_t *key, uint64_t *step, uint32_t *version);
    efi_status(EFIAPI *allocate_pool)(uint32_t type, uint64_t size, void **buffer);
    efi_status(EFIAPI *free_pool)(void *buffer);
    efi_status(EFIAPI *create_event)(uint32_t type, efi_tpl tpl, efi_notify function, void *context, efi_event *event);
    efi_status(EFIAPI *set_timer)(efi_event event, uint32_t delay, uint64_t trigger_time);
    efi_status(EFIAPI *wait_for_event)(uint64_t count, efi_event *events, uint64_t *index);
    efi_status(EFIAPI *signal_event)(efi_event event);
    efi_status(EFIAPI *close_event)(efi_event event);
    efi_status(EFIAPI *check_event)(efi_event event);
    efi_status(EFIAPI *install_protocol)(efi_handle *handle, const efi_guid *guid, uint32_t kind, void *interface);
    void *reinstall_protocol;
    efi_status(EFIAPI *uninstall_protocol)(efi_handle handle, const efi_guid *guid, void *interface);
    void *protocols[5];
    void *install_configuration_table;
    void *images[4];
    efi_status(EFIAPI *exit_boot_services)(efi_handle image, uint64_t key);
    void *get_next_monotonic_count;
    efi_status(EFIAPI *stall)(uint64_t microseconds);
    efi_status(EFIAPI *set_watchdog_timer)(uint64_t seconds, uint64_t code, uint64_t size, uint16_t *data);
    efi_status(EFIAPI *connect_controller)(efi_handle controller, efi_handle *drivers, void *path, uint8_t recursive);
    void *disconnect_controller;
    void *open_protocols[3];
    void *protocols_per_handle;
    efi_status(EFIAPI *locate_handle_buffer)(
        uint32_t search, const efi_guid *guid, void *key, uint64_t *count, efi_handle **handles);
    efi_status(EFIAPI *locate_protocol)(const efi_guid *guid, void *registration, void **interface);
    void *multiple[2];
    void *calculate_crc32;
    void *copy_mem;
    void *set_mem;
    efi_status(EFIAPI *create_event_ex)(
        uint32_t type, efi_tpl tpl, efi_notify function, const void *context, const efi_guid *group, efi_event *event);
} efi_boot_services;

typedef struct {
    efi_table_header header;
    uint16_t *firmware_vendor;
    uint32_t firmware_revision;
    efi_handle console_in_handle;
    void *console_in;
    efi_handle console_out_handle;
    void *console_out;
    efi_handle standard_error_handle;
    void *standard_error;
    void *runtime_services;
    efi_boot_services *boot_services;
} efi_system_table;

_Static_assert(offsetof(efi_boot_services, exit_boot_services) == 24 + 26 * 8, "27th service");
_Static_assert(offsetof(efi_boot_services, locate_protocol) == 24 + 37 * 8, "38th service");
_Static_assert(offsetof(efi_boot_services, create_event_ex) == 24 + 43 * 8, "44th service");
