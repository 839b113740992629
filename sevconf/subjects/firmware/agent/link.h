/* Frames over a 16550 at I/O port 0x3e8, where no firmware looks for a console. */
#pragma once

#include <stdint.h>

/* Send one frame; nothing else runs meanwhile, so that records of a notification never split another one. */
void link_send(const uint8_t *payload, uint16_t length);

/* Wait for a frame; returns the length of its payload, or -1 if what came is none. */
int link_receive(uint8_t *payload, uint16_t room);

/* Keep interrupts out; returns what link_unlock takes. */
uint64_t link_lock(void);
void link_unlock(uint64_t flags);
