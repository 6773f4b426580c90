/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The few BPF instructions that mark sockets and rewrite DNS questions.
 *
 * Pure: parameters in, instructions out; see bpf(2) and the kernel's
 * Documentation/bpf/standardization/instruction-set.rst. Each program runs at
 * one hook of a cgroup2 directory, for sockets that were born in it or below:
 *
 *  - sock_create writes our bits of the mark;
 *  - bind4/6 and connect4/6 write them too where they miss: on the kernel's own
 *    sockets below an MPTCP socket, which sock_create does not see, and on
 *    sockets that are older than the program; not on those that were brought
 *    back (ours_settled_mark());
 *  - connect4/6 and sendmsg4/6 of groups that resolve turn a question to port 53
 *    to the resolver of its family and note on the socket whom it asked;
 *    recvmsg4/6 and getpeername4/6 put that address back. Only sockets with the
 *    group's mark are touched, so a nested group with another mark keeps its
 *    questions. Of a group that is confined one to a loopback address is refused
 *    where its family has no resolver: who listens there asks by any link;
 *  - connect_unix refuses systemd-resolved's varlink socket, so that nss-resolve
 *    gives way to plain DNS: while there is a resolver, or the group is confined.
 *
 * For newcomers there is one set of programs, at a directory above others: they
 * look at each group on the path of the current process, downward, in the map
 * of known groups. Right below one that has a mark there, a group that is not in
 * the map is new: its socket gets that mark, unless it has some of these bits,
 * and its questions are treated as those of groups with the same mark.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/bpf.h>

#define BPF_PROGRAM_MAX 224          /* instructions */
#define BPF_PROGRAM_PREFIX "talpid_" /* of the names of programs and maps that are ours */

typedef enum BpfHook {
        BPF_HOOK_SOCK_CREATE, /* attached first and detached last */
        BPF_HOOK_BIND4,
        BPF_HOOK_BIND6,
        BPF_HOOK_CONNECT4,
        BPF_HOOK_CONNECT6,
        BPF_HOOK_SENDMSG4,
        BPF_HOOK_SENDMSG6,
        BPF_HOOK_RECVMSG4,
        BPF_HOOK_RECVMSG6,
        BPF_HOOK_GETPEERNAME4,
        BPF_HOOK_GETPEERNAME6,
        BPF_HOOK_CONNECT_UNIX,
        _BPF_HOOK_MAX,
} BpfHook;

typedef struct BpfHookInfo {
        const char *name; /* of the program, at most 15 characters */
        uint32_t program_type;
        uint32_t attach_type;
        bool resolves; /* only groups that resolve have it */
        bool optional; /* the rest keeps its promises on kernels without it */
} BpfHookInfo;

/* Key and value of the map of resolvers: AF_INET or AF_INET6, and bytes in network order. */
typedef struct BpfResolver {
        uint32_t address[4];
} BpfResolver;

/* What is noted on a socket: IPv6 or v4-mapped addresses. */
typedef struct BpfAsked {
        uint32_t asked[4];
        uint32_t given[4];
} BpfAsked;

/* What is known of a group, by its number (uint64_t); mark and mask as in KnownGroup. */
typedef struct BpfKnown {
        uint32_t mark;
        uint32_t mask; /* 0: whatever is below is known with it */
        uint32_t level;
} BpfKnown;

/* Where to find the address that connect_unix is about (see btf.h). */
typedef struct BpfUnixLayout {
        uint32_t cast_function_id; /* BTF id of bpf_cast_to_kern_ctx(); 0: no such kernel */
        uint32_t address_offset;   /* in struct bpf_sock_addr_kern */
        uint32_t length_offset;
} BpfUnixLayout;

typedef struct BpfProgramParameters {
        uint32_t mark;
        uint32_t mask;
        bool resolves;
        bool confined; /* see MarkedGroup */

        /*
         * Writes only where no bit of the mask is set. For kernels that run an
         * ancestor's program last: so the innermost group wins, if its mark is not 0.
         */
        bool only_unmarked;

        int resolver_map; /* file descriptors */
        int asked_map;

        bool for_newcomers; /* marks are those of the map */
        int known_map;

        BpfUnixLayout unix_layout;
} BpfProgramParameters;

typedef struct BpfProgram {
        struct bpf_insn insns[BPF_PROGRAM_MAX];
        size_t n;
} BpfProgram;

const BpfHookInfo *bpf_hook_info(BpfHook hook);

/* Whether a group has a program at @hook. */
bool bpf_program_is_wanted(BpfHook hook, const BpfProgramParameters *parameters);

/* Writes the program of @hook, which must be wanted. */
void bpf_program_build(BpfHook hook, const BpfProgramParameters *parameters, BpfProgram *ret);
