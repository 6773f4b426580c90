/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * bpf(2), one function for each command in use.
 *
 * File descriptors are close-on-exec, as the kernel makes them. Return: a file
 * descriptor or 0; negative errno.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/bpf.h>

#include "backends/cgroup-bpf/bpf-program.h"
#include "backends/facts/operation.h"

#define BPF_CALL_TEXT_MAX 160

typedef struct BpfMapSpec {
        const char *name;
        uint32_t type, key_size, value_size, max_entries, flags;
        int btf; /* 0: none */
        uint32_t btf_key, btf_value;
} BpfMapSpec;

/* @text gets the verifier's last sentence, or nothing. */
int bpf_call_load(BpfHook hook, const BpfProgram *program, char text[static BPF_CALL_TEXT_MAX]);
int bpf_call_load_btf(const void *bytes, size_t size_bytes);
int bpf_call_make_map(const BpfMapSpec *spec);
int bpf_call_map_update(int map, const void *key, const void *value);
int bpf_call_map_lookup(int map, const void *key, void *value);
int bpf_call_map_delete(int map, const void *key);

/* The key behind @key (NULL: the first) in an order of the kernel's. -ENOENT: it was the last. */
int bpf_call_map_next(int map, const void *key, void *ret);

/*
 * A link holds a program at a hook of a directory for as long as anything holds the link: a file
 * descriptor, or a pin, see bpf_call_pin(). Several are attached beside each other.
 */
int bpf_call_link(int directory, BpfHook hook, int program, uint32_t flags);

/* @program takes the place of the link's at once. -ENOLINK: the directory is gone. */
int bpf_call_link_update(int link, int program);

/* The program is off when this returns; what is left of the link holds nothing. */
int bpf_call_link_detach(int link);
int bpf_call_link_info(int link, struct bpf_link_info *ret);

/* Whether the kernel knows @flags of bpf_call_link(); attaches nothing. */
bool bpf_call_knows_link_flags(uint32_t flags);

/* Gives an object a name in a BPF file system. -EEXIST: something has it. */
int bpf_call_pin(int object, const char *path);

/* Return: a file descriptor of what is pinned, see bpf_call_link_info() for what it is. */
int bpf_call_get(const char *path);

int bpf_call_map_info(int map, struct bpf_map_info *ret);

/* Fills @fault with a sentence and the error's name. Return: @error. */
int bpf_fault(Fault *fault, int error, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
