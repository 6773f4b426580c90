// SPDX-License-Identifier: GPL-3.0-or-later

#include <stddef.h>
#include <sys/socket.h>

#include "backends/cgroup-bpf/bpf-assembler.h"

#define LEVELS_MAX 256 /* a group is deeper than this nowhere, see cgroup-path.h */

#define KNOWN_MARK offsetof(BpfKnown, mark)
#define KNOWN_MASK offsetof(BpfKnown, mask)

/*
 * Goes down the path of the process, from the root of all. R8 and R9 are the
 * mark and the mask of the last group of ours on it that lies above listed
 * ones: 0 until there is one. Goes on where the next one is new.
 */
void bpf_newcomers_append_check(Assembler *as, int known_map) {
        emit(as, MOV_IMM(R7, 0));
        emit(as, MOV_IMM(R8, 0));
        emit(as, MOV_IMM(R9, 0));
        place(as, LABEL_LEVEL);
        emit(as, MOV(R1, R7));
        emit(as, CALL(BPF_FUNC_get_current_ancestor_cgroup_id));
        jump_if_null(as, R0, LABEL_ACCEPT); /* it is in none further down */
        emit(as, STORE(BPF_DW, FP, -8, R0));
        load_map(as, R1, known_map);
        emit(as, MOV(R2, FP));
        emit(as, ADD_IMM(R2, -8));
        emit(as, CALL(BPF_FUNC_map_lookup_elem));
        jump_if_null(as, R0, LABEL_NEXT);
        emit(as, LOAD(BPF_W, R8, R0, KNOWN_MARK));
        emit(as, LOAD(BPF_W, R9, R0, KNOWN_MASK));
        jump_if_imm(as, BPF_JEQ, R9, 0, LABEL_ACCEPT); /* known, and not above any */
        emit(as, ADD_IMM(R7, 1));
        jump(as, INSN(BPF_JMP | BPF_JLT | BPF_K, R7, 0, 0, LEVELS_MAX), LABEL_LEVEL);
        jump_always(as, LABEL_ACCEPT);

        place(as, LABEL_NEXT);
        jump_if_imm(as, BPF_JNE, R9, 0, LABEL_NEW);
        emit(as, ADD_IMM(R7, 1)); /* above where we begin */
        jump(as, INSN(BPF_JMP | BPF_JLT | BPF_K, R7, 0, 0, LEVELS_MAX), LABEL_LEVEL);
        jump_always(as, LABEL_ACCEPT);
        place(as, LABEL_NEW);
}

/* Whoever has chosen a way already, such as the tunnel's own transport, keeps it. */
static void append_mark_unless(Assembler *as, unsigned reg, unsigned scratch, Label marked) {
        emit(as, MOV(scratch, reg));
        emit(as, INSN(BPF_ALU | BPF_AND | BPF_X, scratch, R9, 0, 0));
        jump_if_imm(as, BPF_JNE, scratch, 0, marked);
        emit(as, INSN(BPF_ALU | BPF_OR | BPF_X, reg, R8, 0, 0));
}

void bpf_newcomers_append_mark(Assembler *as) {
        emit(as, LOAD(BPF_W, R2, CTX, SOCK_MARK));
        append_mark_unless(as, R2, R3, LABEL_ACCEPT);
        emit(as, STORE(BPF_W, CTX, SOCK_MARK, R2));
}

void bpf_newcomers_append_mark_by_option(Assembler *as) {
        emit(as, LOAD(BPF_DW, R1, CTX, CTX_FIELD(sk)));
        emit(as, LOAD(BPF_W, R7, R1, SOCK_MARK));
        append_mark_unless(as, R7, R1, LABEL_MARKED);
        emit(as, STORE(BPF_W, FP, -4, R7));
        emit(as, MOV(R1, CTX));
        emit(as, MOV_IMM(R2, SOL_SOCKET));
        emit(as, MOV_IMM(R3, SO_MARK));
        emit(as, MOV(R4, FP));
        emit(as, ADD_IMM(R4, -4));
        emit(as, MOV_IMM(R5, 4));
        emit(as, CALL(BPF_FUNC_setsockopt));
        place(as, LABEL_MARKED);
}
