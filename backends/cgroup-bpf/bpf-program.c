// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup-bpf/bpf-program.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "backends/cgroup-bpf/bpf-assembler.h"
#include "backends/facts/ours.h"

/* Kernel 6.7; see enum bpf_attach_type. */
#define ATTACH_UNIX_CONNECT 49

#define UNIX_PATH "/run/systemd/resolve/io.systemd.Resolve"
#define UNIX_PATH_OFFSET 2 /* of sun_path in struct sockaddr_un */

#define DNS_PORT 53

static const BpfHookInfo hooks[] = {
        [BPF_HOOK_SOCK_CREATE] = { "talpid_create", BPF_PROG_TYPE_CGROUP_SOCK,
                BPF_CGROUP_INET_SOCK_CREATE, false, false },
        [BPF_HOOK_BIND4] = { "talpid_bind4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_BIND,
                false, true },
        [BPF_HOOK_BIND6] = { "talpid_bind6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_BIND,
                false, true },
        [BPF_HOOK_CONNECT4] = { "talpid_connect4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
                BPF_CGROUP_INET4_CONNECT, false, false },
        [BPF_HOOK_CONNECT6] = { "talpid_connect6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
                BPF_CGROUP_INET6_CONNECT, false, false },
        [BPF_HOOK_SENDMSG4] = { "talpid_sendmsg4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
                BPF_CGROUP_UDP4_SENDMSG, true, false },
        [BPF_HOOK_SENDMSG6] = { "talpid_sendmsg6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
                BPF_CGROUP_UDP6_SENDMSG, true, false },
        [BPF_HOOK_RECVMSG4] = { "talpid_recvmsg4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
                BPF_CGROUP_UDP4_RECVMSG, true, false },
        [BPF_HOOK_RECVMSG6] = { "talpid_recvmsg6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
                BPF_CGROUP_UDP6_RECVMSG, true, false },
        [BPF_HOOK_GETPEERNAME4] = { "talpid_peer4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
                BPF_CGROUP_INET4_GETPEERNAME, true, false },
        [BPF_HOOK_GETPEERNAME6] = { "talpid_peer6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
                BPF_CGROUP_INET6_GETPEERNAME, true, false },
        [BPF_HOOK_CONNECT_UNIX] = { "talpid_unix", BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
                ATTACH_UNIX_CONNECT, true, true },
};

/* `(mark & ~mask) | mark`; the ALU32 forms clear the upper half. */
static void change_mark(Assembler *as, unsigned reg, const BpfProgramParameters *p) {
        emit(as, AND32_IMM(reg, ~p->mask));
        emit(as, OR32_IMM(reg, p->mark & p->mask));
}

static void jump_if_marked(
        Assembler *as, unsigned reg, unsigned scratch, const BpfProgramParameters *p, Label label) {
        if (!p->only_unmarked)
                return;
        emit(as, MOV(scratch, reg));
        emit(as, AND32_IMM(scratch, p->mask));
        jump_if_imm(as, BPF_JNE, scratch, 0, label);
}

static void build_create(Assembler *as, const BpfProgramParameters *p) {
        emit(as, LOAD(BPF_W, R2, R1, SOCK_MARK));
        jump_if_marked(as, R2, R3, p, LABEL_ACCEPT);
        change_mark(as, R2, p);
        emit(as, STORE(BPF_W, R1, SOCK_MARK, R2));
}

/* R7 = the mark of the socket. */
static void append_read_mark(Assembler *as) {
        emit(as, LOAD(BPF_DW, R1, CTX, CTX_FIELD(sk)));
        emit(as, LOAD(BPF_W, R7, R1, SOCK_MARK));
}

/* Through bpf_setsockopt(), which drops the cached route too. R7 keeps the mark from before. */
static void append_mark_by_option(Assembler *as, const BpfProgramParameters *p) {
        uint32_t settled = ours_settled_mark(p->mark, p->mask);

        append_read_mark(as);
        jump_if_marked(as, R7, R8, p, LABEL_MARKED);
        emit(as, MOV(R8, R7));
        if (settled) {
                emit(as, AND32_IMM(R8, p->mask));
                jump_if_imm(as, BPF_JEQ, R8, settled, LABEL_MARKED);
                emit(as, MOV(R8, R7));
        }
        change_mark(as, R8, p);
        jump_if_reg(as, BPF_JEQ, R7, R8, LABEL_MARKED);
        emit(as, STORE(BPF_W, FP, -4, R8));
        emit(as, MOV(R1, CTX));
        emit(as, MOV_IMM(R2, SOL_SOCKET));
        emit(as, MOV_IMM(R3, SO_MARK));
        emit(as, MOV(R4, FP));
        emit(as, ADD_IMM(R4, -4));
        emit(as, MOV_IMM(R5, 4));
        emit(as, CALL(BPF_FUNC_setsockopt));
        place(as, LABEL_MARKED);
}

/*
 * Goes on when this is a question: UDP or TCP, port 53, on a socket of this
 * group. R7 is its mark before this program, which may be an outer group's: what
 * that writes on the socket of a nested group, the nested group takes back.
 */
static void append_is_question(Assembler *as, const BpfProgramParameters *p) {
        emit(as, LOAD(BPF_W, R1, CTX, CTX_FIELD(user_port)));
        jump_if_imm(as, BPF_JNE, R1, htons(DNS_PORT), LABEL_ACCEPT);
        emit(as, LOAD(BPF_W, R1, CTX, CTX_FIELD(protocol)));
        jump_if_imm(as, BPF_JEQ, R1, IPPROTO_UDP, LABEL_UDP_OR_TCP);
        jump_if_imm(as, BPF_JNE, R1, IPPROTO_TCP, LABEL_ACCEPT);
        place(as, LABEL_UDP_OR_TCP);
        emit(as, AND32_IMM(R7, p->mask));
        jump_if_imm(as, BPF_JNE, R7, p->mark & p->mask, LABEL_ACCEPT);
}

/* R9 = the resolver for the family at FP - 8; goes to @lonely without. */
static void append_find_resolver(Assembler *as, const BpfProgramParameters *p, Label lonely) {
        load_map(as, R1, p->resolver_map);
        emit(as, MOV(R2, FP));
        emit(as, ADD_IMM(R2, -8));
        emit(as, CALL(BPF_FUNC_map_lookup_elem));
        jump_if_null(as, R0, lonely);
        emit(as, MOV(R9, R0));
}

/* 127.0.0.0/8, and 0.0.0.0, which means the same. */
static void append_refuse_loopback4(Assembler *as, size_t field) {
        place(as, LABEL_LONELY4);
        emit(as, LOAD(BPF_W, R1, CTX, field));
        emit(as, AND32_IMM(R1, htonl(0xff000000)));
        jump_if_imm(as, BPF_JEQ, R1, 0, LABEL_REFUSE);
        jump_if_imm(as, BPF_JNE, R1, htonl(0x7f000000), LABEL_ACCEPT);
        jump_always(as, LABEL_REFUSE);
}

/* ::1, and ::, which means the same. */
static void append_refuse_loopback6(Assembler *as) {
        place(as, LABEL_LONELY6);
        for (size_t i = 0; i < 3; i++) {
                emit(as, LOAD(BPF_W, R1, CTX, CTX_IP6(i)));
                jump_if_imm(as, BPF_JNE, R1, 0, LABEL_ACCEPT);
        }
        emit(as, LOAD(BPF_W, R1, CTX, CTX_IP6(3)));
        jump_if_imm(as, BPF_JEQ, R1, 0, LABEL_REFUSE);
        jump_if_imm(as, BPF_JNE, R1, htonl(1), LABEL_ACCEPT);
        jump_always(as, LABEL_REFUSE);
}

static void append_refusal(Assembler *as) {
        place(as, LABEL_REFUSE);
        leave(as, 0); /* EPERM */
}

/* R0 = what is noted on the socket. */
static void append_find_note(Assembler *as, const BpfProgramParameters *p, uint32_t flags) {
        load_map(as, R1, p->asked_map);
        emit(as, LOAD(BPF_DW, R2, CTX, CTX_FIELD(sk)));
        emit(as, MOV_IMM(R3, 0));
        emit(as, MOV_IMM(R4, flags));
        emit(as, CALL(BPF_FUNC_sk_storage_get));
        jump_if_null(as, R0, LABEL_ACCEPT);
}

static void append_note_mapped_prefix(Assembler *as) {
        emit(as, STORE_IMM(BPF_W, R0, ASKED(0), 0));
        emit(as, STORE_IMM(BPF_W, R0, ASKED(1), 0));
        emit(as, STORE_IMM(BPF_W, R0, ASKED(2), htonl(0xffff)));
        emit(as, STORE_IMM(BPF_W, R0, GIVEN(0), 0));
        emit(as, STORE_IMM(BPF_W, R0, GIVEN(1), 0));
        emit(as, STORE_IMM(BPF_W, R0, GIVEN(2), htonl(0xffff)));
}

/*
 * The IPv4 address at @field of the context becomes the resolver's. One that is
 * the resolver's already stays: the program asks it by itself, or that of a
 * nested group ran before and noted the address.
 */
static void append_turn_ipv4(Assembler *as, const BpfProgramParameters *p, size_t field) {
        emit(as, STORE_IMM(BPF_W, FP, -8, AF_INET));
        append_find_resolver(as, p, p->confined ? LABEL_LONELY4 : LABEL_ACCEPT);
        emit(as, LOAD(BPF_W, R7, CTX, field));
        emit(as, LOAD(BPF_W, R8, R9, 0));
        jump_if_reg(as, BPF_JEQ, R7, R8, LABEL_ACCEPT);
        append_find_note(as, p, BPF_SK_STORAGE_GET_F_CREATE);
        append_note_mapped_prefix(as);
        emit(as, STORE(BPF_W, R0, ASKED(3), R7));
        emit(as, STORE(BPF_W, R0, GIVEN(3), R8));
        emit(as, STORE(BPF_W, CTX, field, R8));
}

static void append_turn_ipv6(Assembler *as, const BpfProgramParameters *p) {
        emit(as, STORE_IMM(BPF_W, FP, -8, AF_INET6));
        append_find_resolver(as, p, p->confined ? LABEL_LONELY6 : LABEL_ACCEPT);
        for (size_t i = 0; i < 4; i++) {
                emit(as, LOAD(BPF_W, R7, CTX, CTX_IP6(i)));
                emit(as, LOAD(BPF_W, R8, R9, 4 * i));
                jump_if_reg(as, BPF_JNE, R7, R8, LABEL_TURN);
        }
        jump_always(as, LABEL_ACCEPT);
        place(as, LABEL_TURN);
        append_find_note(as, p, BPF_SK_STORAGE_GET_F_CREATE);
        for (size_t i = 0; i < 4; i++) {
                emit(as, LOAD(BPF_W, R7, CTX, CTX_IP6(i)));
                emit(as, LOAD(BPF_W, R8, R9, 4 * i));
                emit(as, STORE(BPF_W, R0, ASKED(i), R7));
                emit(as, STORE(BPF_W, R0, GIVEN(i), R8));
                emit(as, STORE(BPF_W, CTX, CTX_IP6(i), R8));
        }
}

static void build_ask4(Assembler *as, const BpfProgramParameters *p) {
        append_is_question(as, p);
        append_turn_ipv4(as, p, CTX_FIELD(user_ip4));
        if (!p->confined)
                return;
        jump_always(as, LABEL_ACCEPT);
        append_refuse_loopback4(as, CTX_FIELD(user_ip4));
        append_refusal(as);
}

static void build_ask6(Assembler *as, const BpfProgramParameters *p) {
        append_is_question(as, p);
        emit(as, LOAD(BPF_W, R1, CTX, CTX_IP6(0)));
        jump_if_imm(as, BPF_JNE, R1, 0, LABEL_RESOLVER);
        emit(as, LOAD(BPF_W, R1, CTX, CTX_IP6(1)));
        jump_if_imm(as, BPF_JNE, R1, 0, LABEL_RESOLVER);
        emit(as, LOAD(BPF_W, R1, CTX, CTX_IP6(2)));
        jump_if_imm(as, BPF_JEQ, R1, htonl(0xffff), LABEL_MAPPED);
        place(as, LABEL_RESOLVER);
        append_turn_ipv6(as, p);
        jump_always(as, LABEL_ACCEPT);
        place(as, LABEL_MAPPED);
        append_turn_ipv4(as, p, CTX_IP6(3));
        if (!p->confined)
                return;
        jump_always(as, LABEL_ACCEPT);
        append_refuse_loopback4(as, CTX_IP6(3));
        append_refuse_loopback6(as);
        append_refusal(as);
}

static void append_is_answer(Assembler *as, const BpfProgramParameters *p) {
        emit(as, LOAD(BPF_W, R1, CTX, CTX_FIELD(user_port)));
        jump_if_imm(as, BPF_JNE, R1, htons(DNS_PORT), LABEL_ACCEPT);
        append_find_note(as, p, 0);
}

static void build_answer4(Assembler *as, const BpfProgramParameters *p) {
        append_is_answer(as, p);
        emit(as, LOAD(BPF_W, R1, CTX, CTX_FIELD(user_ip4)));
        emit(as, LOAD(BPF_W, R2, R0, GIVEN(3)));
        jump_if_reg(as, BPF_JNE, R1, R2, LABEL_ACCEPT);
        emit(as, LOAD(BPF_W, R1, R0, ASKED(3)));
        emit(as, STORE(BPF_W, CTX, CTX_FIELD(user_ip4), R1));
}

static void build_answer6(Assembler *as, const BpfProgramParameters *p) {
        append_is_answer(as, p);
        for (size_t i = 0; i < 4; i++) {
                emit(as, LOAD(BPF_W, R1, CTX, CTX_IP6(i)));
                emit(as, LOAD(BPF_W, R2, R0, GIVEN(i)));
                jump_if_reg(as, BPF_JNE, R1, R2, LABEL_ACCEPT);
        }
        for (size_t i = 0; i < 4; i++) {
                emit(as, LOAD(BPF_W, R1, R0, ASKED(i)));
                emit(as, STORE(BPF_W, CTX, CTX_IP6(i), R1));
        }
}

static void append_check_any_resolver(Assembler *as, const BpfProgramParameters *p) {
        emit(as, STORE_IMM(BPF_W, FP, -8, AF_INET));
        load_map(as, R1, p->resolver_map);
        emit(as, MOV(R2, FP));
        emit(as, ADD_IMM(R2, -8));
        emit(as, CALL(BPF_FUNC_map_lookup_elem));
        jump(as, INSN(BPF_JMP | BPF_JNE | BPF_K, R0, 0, 0, 0), LABEL_CHECK);
        emit(as, STORE_IMM(BPF_W, FP, -8, AF_INET6));
        append_find_resolver(as, p, LABEL_ACCEPT);
        place(as, LABEL_CHECK);
}

/*
 * Without a resolver of any family questions are left alone, so this is too, but
 * for those who are confined. The path needs no NUL where the address ends with it (unix(7)).
 */
static void build_unix(Assembler *as, const BpfProgramParameters *p) {
        static const char path[] = UNIX_PATH;
        _Static_assert(sizeof(path) % 8 == 0, "the path is compared in words of 64 bits");
        const int buffer = -8 - (int)sizeof(path);

        if (!p->confined)
                append_check_any_resolver(as, p);
        emit(as, MOV(R1, CTX));
        emit(as, CALL_KERNEL(p->unix_layout.cast_function_id));
        emit(as, LOAD(BPF_W, R7, R0, p->unix_layout.length_offset));
        emit(as, LOAD(BPF_DW, R3, R0, p->unix_layout.address_offset));
        jump_if_imm(as, BPF_JLT, R7, UNIX_PATH_OFFSET + sizeof(path) - 1, LABEL_ACCEPT);
        emit(as, ADD_IMM(R3, UNIX_PATH_OFFSET));
        emit(as, MOV(R1, FP));
        emit(as, ADD_IMM(R1, buffer));
        emit(as, MOV_IMM(R2, sizeof(path)));
        emit(as, CALL(BPF_FUNC_probe_read_kernel));
        jump_if_imm(as, BPF_JNE, R0, 0, LABEL_ACCEPT);
        jump_if_imm(as, BPF_JNE, R7, UNIX_PATH_OFFSET + sizeof(path) - 1, LABEL_COMPARE);
        emit(as, STORE_IMM(BPF_B, FP, buffer + (int)sizeof(path) - 1, 0));
        place(as, LABEL_COMPARE);
        for (size_t i = 0; i < sizeof(path); i += 4) {
                uint32_t word;

                memcpy(&word, path + i, sizeof(word));
                emit(as, LOAD(BPF_W, R1, FP, buffer + (int)i));
                jump_if_imm(as, BPF_JNE, R1, word, LABEL_ACCEPT);
        }
        leave(as, 0); /* EPERM */
}

const BpfHookInfo *bpf_hook_info(BpfHook hook) {
        assert(hook < _BPF_HOOK_MAX);
        return &hooks[hook];
}

bool bpf_program_is_wanted(BpfHook hook, const BpfProgramParameters *parameters) {
        if (hook == BPF_HOOK_CONNECT_UNIX && parameters->unix_layout.cast_function_id == 0)
                return false;
        return parameters->resolves || !bpf_hook_info(hook)->resolves;
}

static void build(Assembler *as, BpfHook hook, const BpfProgramParameters *parameters) {
        switch (hook) {
        case BPF_HOOK_SOCK_CREATE:
                build_create(as, parameters);
                break;
        case BPF_HOOK_BIND4:
        case BPF_HOOK_BIND6:
                append_mark_by_option(as, parameters);
                break;
        case BPF_HOOK_CONNECT4:
                append_mark_by_option(as, parameters);
                if (parameters->resolves)
                        build_ask4(as, parameters);
                break;
        case BPF_HOOK_CONNECT6:
                append_mark_by_option(as, parameters);
                if (parameters->resolves)
                        build_ask6(as, parameters);
                break;
        case BPF_HOOK_SENDMSG4:
                append_read_mark(as);
                build_ask4(as, parameters);
                break;
        case BPF_HOOK_SENDMSG6:
                append_read_mark(as);
                build_ask6(as, parameters);
                break;
        case BPF_HOOK_RECVMSG4:
        case BPF_HOOK_GETPEERNAME4:
                build_answer4(as, parameters);
                break;
        case BPF_HOOK_RECVMSG6:
        case BPF_HOOK_GETPEERNAME6:
                build_answer6(as, parameters);
                break;
        case BPF_HOOK_CONNECT_UNIX:
                build_unix(as, parameters);
                break;
        case _BPF_HOOK_MAX:
                assert(false);
        }
}

/* Whoever asks nothing is let through before the path is looked at. */
static void append_is_port_of_questions(Assembler *as) {
        emit(as, LOAD(BPF_W, R1, CTX, CTX_FIELD(user_port)));
        jump_if_imm(as, BPF_JNE, R1, htons(DNS_PORT), LABEL_ACCEPT);
}

/* As for a group, where the process is new; what sockets were told is known by their notes. */
static void build_for_newcomers(
        Assembler *as, BpfHook hook, const BpfProgramParameters *parameters) {
        const int map = parameters->known_map;

        switch (hook) {
        case BPF_HOOK_SOCK_CREATE:
                bpf_newcomers_append_check(as, map);
                bpf_newcomers_append_mark(as);
                break;
        case BPF_HOOK_BIND4:
        case BPF_HOOK_BIND6:
                bpf_newcomers_append_check(as, map);
                bpf_newcomers_append_mark_by_option(as);
                break;
        case BPF_HOOK_CONNECT4:
                bpf_newcomers_append_check(as, map);
                bpf_newcomers_append_mark_by_option(as);
                if (parameters->resolves)
                        build_ask4(as, parameters);
                break;
        case BPF_HOOK_CONNECT6:
                bpf_newcomers_append_check(as, map);
                bpf_newcomers_append_mark_by_option(as);
                if (parameters->resolves)
                        build_ask6(as, parameters);
                break;
        case BPF_HOOK_SENDMSG4:
        case BPF_HOOK_SENDMSG6:
                append_is_port_of_questions(as);
                bpf_newcomers_append_check(as, map);
                build(as, hook, parameters);
                break;
        case BPF_HOOK_CONNECT_UNIX:
                bpf_newcomers_append_check(as, map);
                build(as, hook, parameters);
                break;
        case BPF_HOOK_RECVMSG4:
        case BPF_HOOK_RECVMSG6:
        case BPF_HOOK_GETPEERNAME4:
        case BPF_HOOK_GETPEERNAME6:
                build(as, hook, parameters);
                break;
        case _BPF_HOOK_MAX:
                assert(false);
        }
}

void bpf_program_build(BpfHook hook, const BpfProgramParameters *parameters, BpfProgram *ret) {
        Assembler as = { .program = ret };

        assert(bpf_program_is_wanted(hook, parameters));
        ret->n = 0;
        if (hook != BPF_HOOK_SOCK_CREATE || parameters->for_newcomers)
                emit(&as, MOV(CTX, R1));
        if (parameters->for_newcomers)
                build_for_newcomers(&as, hook, parameters);
        else
                build(&as, hook, parameters);
        place(&as, LABEL_ACCEPT);
        leave(&as, 1);
        resolve_jumps(&as);
}
