/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * bpf(2), one function for each command in use.
 *
 * File descriptors are close-on-exec, as the kernel makes them. Return: a file
 * descriptor or 0; negative errno.
 */

#include <stddef.h>
#include <stdint.h>

#include <linux/bpf.h>

#include "backends/cgroup-bpf/bpf-program.h"

#define BPF_CALL_ATTACHED_MAX 64 /* BPF_CGROUP_MAX_PROGS of the kernel */
#define BPF_CALL_MAPS_MAX 8      /* of one program; ours use fewer */
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

/* @replaced: the program whose place it takes (BPF_F_REPLACE); -1: none. */
int bpf_call_attach(int directory, BpfHook hook, int program, uint32_t flags, int replaced);
int bpf_call_detach(int directory, BpfHook hook, int program);

/* The ids of what is attached to the directory itself, in their order. Return: how many. */
int bpf_call_query(int directory, BpfHook hook, uint32_t ids[static BPF_CALL_ATTACHED_MAX]);

/* Whether the kernel knows @flags of BPF_PROG_ATTACH; attaches nothing. */
int bpf_call_knows_attach_flags(uint32_t flags);

/* Needs CAP_SYS_ADMIN. */
int bpf_call_open_program(uint32_t id);
int bpf_call_open_map(uint32_t id);

/* *ret_n_maps ids of the maps that the program uses are in @maps. */
int bpf_call_program_info(int program, struct bpf_prog_info *ret,
        uint32_t maps[static BPF_CALL_MAPS_MAX], size_t *ret_n_maps);
int bpf_call_map_info(int map, struct bpf_map_info *ret);
