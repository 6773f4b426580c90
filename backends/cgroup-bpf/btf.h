/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The little of BTF, the kernel's type format, that cannot be done without.
 *
 * See the kernel's Documentation/bpf/btf.rst. Bytes are in host order.
 */

#include <stddef.h>

#include "backends/cgroup-bpf/bpf-program.h"

/* Types that describe a map of int to BpfAsked; storage on sockets wants some. */
#define BTF_ASKED_KEY 1u
#define BTF_ASKED_VALUE 2u
const void *btf_of_asked(size_t *ret_size_bytes);

/**
 * btf_find_unix_layout() - find what connect_unix has to know of the kernel
 * @bytes:    the content of /sys/kernel/btf/vmlinux; trusted in nothing
 *
 * Return: 0; -ENOENT this kernel lacks it; -EBADMSG malformed or of an unknown form.
 */
int btf_find_unix_layout(const void *bytes, size_t size_bytes, BpfUnixLayout *ret);

/* As above, of the running kernel. Return: 0; negative errno. */
int btf_read_unix_layout(BpfUnixLayout *ret);
