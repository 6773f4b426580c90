/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Writes BPF instructions one behind the other, with jumps to labels.
 *
 *     jump_if_null(&as, R0, LABEL_ACCEPT);
 *     …
 *     place(&as, LABEL_ACCEPT);
 *     resolve_jumps(&as);
 *
 * For the files of this folder that build programs; see bpf-program.h.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "backends/cgroup-bpf/bpf-program.h"

/* Jump targets; while a program is written they stand in the offsets of its jumps. */
typedef enum Label {
        LABEL_NONE,
        LABEL_ACCEPT,
        LABEL_MARKED,
        LABEL_UDP_OR_TCP,
        LABEL_MAPPED,
        LABEL_RESOLVER,
        LABEL_TURN,
        LABEL_LONELY4, /* there is no resolver of the family */
        LABEL_LONELY6,
        LABEL_REFUSE,
        LABEL_CHECK,
        LABEL_COMPARE,
        LABEL_LEVEL,
        LABEL_NEXT,
        LABEL_NEW,
        _LABEL_MAX,
} Label;

typedef struct Assembler {
        BpfProgram *program;
        uint8_t jumps[BPF_PROGRAM_MAX]; /* Label of each instruction that jumps */
        size_t places[_LABEL_MAX];
} Assembler;

static inline void emit(Assembler *as, struct bpf_insn insn) {
        assert(as->program->n < BPF_PROGRAM_MAX);
        as->program->insns[as->program->n++] = insn;
}

#define INSN(c, d, s, o, i)                                                                        \
        (struct bpf_insn) {                                                                        \
                .code = (c), .dst_reg = (d), .src_reg = (s), .off = (int16_t)(o),                  \
                .imm = (int32_t)(i),                                                               \
        }
#define MOV(dst, src) INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define MOV_IMM(dst, imm) INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define MOV32_IMM(dst, imm) INSN(BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define ADD_IMM(dst, imm) INSN(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, imm)
#define AND32_IMM(dst, imm) INSN(BPF_ALU | BPF_AND | BPF_K, dst, 0, 0, imm)
#define OR32_IMM(dst, imm) INSN(BPF_ALU | BPF_OR | BPF_K, dst, 0, 0, imm)
#define LOAD(size, dst, src, off) INSN(BPF_LDX | BPF_MEM | (size), dst, src, off, 0)
#define STORE(size, dst, off, src) INSN(BPF_STX | BPF_MEM | (size), dst, src, off, 0)
#define STORE_IMM(size, dst, off, imm) INSN(BPF_ST | BPF_MEM | (size), dst, 0, off, imm)
#define CALL(function) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, function)
#define CALL_KERNEL(id) INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, id)
#define EXIT() INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

#define R0 BPF_REG_0
#define R1 BPF_REG_1
#define R2 BPF_REG_2
#define R3 BPF_REG_3
#define R4 BPF_REG_4
#define R5 BPF_REG_5
#define CTX BPF_REG_6
#define R7 BPF_REG_7
#define R8 BPF_REG_8
#define R9 BPF_REG_9
#define FP BPF_REG_10

#define CTX_FIELD(field) offsetof(struct bpf_sock_addr, field)
#define CTX_IP6(i) (CTX_FIELD(user_ip6) + 4 * (i))
#define SOCK_MARK offsetof(struct bpf_sock, mark)
#define ASKED(i) (offsetof(BpfAsked, asked) + 4 * (i))
#define GIVEN(i) (offsetof(BpfAsked, given) + 4 * (i))

static inline void jump(Assembler *as, struct bpf_insn insn, Label label) {
        as->jumps[as->program->n] = label;
        emit(as, insn);
}

static inline void jump_if_imm(
        Assembler *as, unsigned op, unsigned reg, uint32_t imm, Label label) {
        jump(as, INSN(BPF_JMP32 | op | BPF_K, reg, 0, 0, imm), label);
}

static inline void jump_if_reg(Assembler *as, unsigned op, unsigned a, unsigned b, Label label) {
        jump(as, INSN(BPF_JMP | op | BPF_X, a, b, 0, 0), label);
}

static inline void jump_if_null(Assembler *as, unsigned reg, Label label) {
        jump(as, INSN(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, 0, 0), label);
}

static inline void jump_always(Assembler *as, Label label) {
        jump(as, INSN(BPF_JMP | BPF_JA, 0, 0, 0, 0), label);
}

static inline void place(Assembler *as, Label label) {
        as->places[label] = as->program->n;
}

static inline void resolve_jumps(Assembler *as) {
        for (size_t i = 0; i < as->program->n; i++)
                if (as->jumps[i] != LABEL_NONE)
                        as->program->insns[i].off = (int16_t)(as->places[as->jumps[i]] - i - 1);
}

static inline void load_map(Assembler *as, unsigned reg, int map) {
        emit(as, INSN(BPF_LD | BPF_IMM | BPF_DW, reg, BPF_PSEUDO_MAP_FD, 0, map));
        emit(as, INSN(0, 0, 0, 0, 0)); /* the upper half of the same instruction */
}

static inline void leave(Assembler *as, uint32_t verdict) {
        emit(as, MOV_IMM(R0, verdict));
        emit(as, EXIT());
}

/*
 * Goes on where the current process is in a group that is new, and R8 and R9 are the mark and the
 * mask that it is to have. Else the program accepts. See BpfProgramParameters.
 */
void bpf_newcomers_append_check(Assembler *as, int known_map);

/* Behind that, as sockets are born, and later. The second one leaves their mark in R7. */
void bpf_newcomers_append_mark(Assembler *as);
void bpf_newcomers_append_mark_by_option(Assembler *as);
