// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup-bpf/bpf-program.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>

#include "backends/base/cleanup.h"
#include "backends/cgroup-bpf/bpf-call.h"
#include "backends/cgroup-bpf/btf.h"
#include "backends/cgroup-bpf/pins.h"
#include "backends/cgroup-bpf/program-set.h"

static const BpfProgramParameters parameters = {
        .mark = 0x10000000,
        .mask = 0x30000000,
        .resolver_map = 4,
        .asked_map = 5,
        .unix_layout = { 77, 8, 32 },
};

static const char *size_name(unsigned code) {
        switch (BPF_SIZE(code)) {
        case BPF_B:
                return "u8";
        case BPF_W:
                return "u32";
        case BPF_DW:
                return "u64";
        }
        return "?";
}

static const char *operator_name(unsigned code) {
        switch (BPF_OP(code)) {
        case BPF_ADD:
                return "+=";
        case BPF_OR:
                return "|=";
        case BPF_AND:
                return "&=";
        case BPF_MOV:
                return "=";
        }
        return "?";
}

static const char *comparison_name(unsigned code) {
        switch (BPF_OP(code)) {
        case BPF_JEQ:
                return "==";
        case BPF_JNE:
                return "!=";
        case BPF_JLT:
                return "<";
        }
        return "?";
}

/* The form of the kernel's verifier log, with absolute jump targets. */
static void append_text(GString *text, size_t at, const struct bpf_insn *insn) {
        unsigned class = BPF_CLASS(insn->code);
        char width = class == BPF_ALU || class == BPF_JMP32 ? 'w' : 'r';
        size_t target = (size_t)((ssize_t)at + 1 + insn->off);

        g_string_append_printf(text, "%zu: ", at);
        if (class == BPF_LD)
                g_string_append_printf(text, "r%u = map %d", insn->dst_reg, insn->imm);
        else if (class == BPF_LDX)
                g_string_append_printf(text, "r%u = *(%s *)(r%u %+d)", insn->dst_reg,
                        size_name(insn->code), insn->src_reg, insn->off);
        else if (class == BPF_STX)
                g_string_append_printf(text, "*(%s *)(r%u %+d) = r%u", size_name(insn->code),
                        insn->dst_reg, insn->off, insn->src_reg);
        else if (class == BPF_ST)
                g_string_append_printf(text, "*(%s *)(r%u %+d) = %d", size_name(insn->code),
                        insn->dst_reg, insn->off, insn->imm);
        else if (class == BPF_ALU || class == BPF_ALU64) {
                g_string_append_printf(
                        text, "%c%u %s ", width, insn->dst_reg, operator_name(insn->code));
                if (BPF_SRC(insn->code) == BPF_X)
                        g_string_append_printf(text, "%c%u", width, insn->src_reg);
                else
                        g_string_append_printf(text, "%d", insn->imm);
        } else if (BPF_OP(insn->code) == BPF_CALL)
                g_string_append_printf(text, "call %s%d",
                        insn->src_reg == BPF_PSEUDO_KFUNC_CALL ? "kernel " : "", insn->imm);
        else if (BPF_OP(insn->code) == BPF_EXIT)
                g_string_append(text, "exit");
        else if (BPF_OP(insn->code) == BPF_JA)
                g_string_append_printf(text, "goto %zu", target);
        else if (BPF_SRC(insn->code) == BPF_X)
                g_string_append_printf(text, "if %c%u %s %c%u goto %zu", width, insn->dst_reg,
                        comparison_name(insn->code), width, insn->src_reg, target);
        else
                g_string_append_printf(text, "if %c%u %s %d goto %zu", width, insn->dst_reg,
                        comparison_name(insn->code), insn->imm, target);
        g_string_append_c(text, '\n');
}

static char *disassemble(BpfHook hook, const BpfProgramParameters *p) {
        GString *text = g_string_new(NULL);
        BpfProgram program;

        bpf_program_build(hook, p, &program);
        for (size_t i = 0; i < program.n; i++) {
                append_text(text, i, &program.insns[i]);
                i += program.insns[i].code == (BPF_LD | BPF_IMM | BPF_DW);
        }
        return g_string_free(text, FALSE);
}

static void check_text(BpfHook hook, const BpfProgramParameters *p, const char *expected) {
        g_autofree char *text = disassemble(hook, p);

        g_assert_cmpstr(text, ==, expected);
}

static void test_create_writes_the_bits_of_the_mask(void) {
        BpfProgramParameters older = parameters;

        check_text(BPF_HOOK_SOCK_CREATE, &parameters,
                "0: r2 = *(u32 *)(r1 +16)\n"
                "1: w2 &= -805306369\n"
                "2: w2 |= 268435456\n"
                "3: *(u32 *)(r1 +16) = r2\n"
                "4: r0 = 1\n"
                "5: exit\n");

        older.only_unmarked = true;
        check_text(BPF_HOOK_SOCK_CREATE, &older,
                "0: r2 = *(u32 *)(r1 +16)\n"
                "1: r3 = r2\n"
                "2: w3 &= 805306368\n"
                "3: if w3 != 0 goto 7\n"
                "4: w2 &= -805306369\n"
                "5: w2 |= 268435456\n"
                "6: *(u32 *)(r1 +16) = r2\n"
                "7: r0 = 1\n"
                "8: exit\n");
}

/* … but not what was brought back. */
static void test_connect_marks_once(void) {
        g_autofree char *expected = g_strdup_printf("0: r6 = r1\n"
                                                    "1: r1 = *(u64 *)(r6 +64)\n"
                                                    "2: r7 = *(u32 *)(r1 +16)\n"
                                                    "3: r8 = r7\n"
                                                    "4: w8 &= 805306368\n"
                                                    "5: if w8 == 805306368 goto 18\n"
                                                    "6: r8 = r7\n"
                                                    "7: w8 &= -805306369\n"
                                                    "8: w8 |= 268435456\n"
                                                    "9: if r7 == r8 goto 18\n"
                                                    "10: *(u32 *)(r10 -4) = r8\n"
                                                    "11: r1 = r6\n"
                                                    "12: r2 = %d\n"
                                                    "13: r3 = %d\n"
                                                    "14: r4 = r10\n"
                                                    "15: r4 += -4\n"
                                                    "16: r5 = 4\n"
                                                    "17: call 49\n"
                                                    "18: r0 = 1\n"
                                                    "19: exit\n",
                SOL_SOCKET, SO_MARK);

        check_text(BPF_HOOK_CONNECT4, &parameters, expected);
        check_text(BPF_HOOK_CONNECT6, &parameters, expected);
        check_text(BPF_HOOK_BIND4, &parameters, expected);
}

static void test_answer_shows_who_was_asked(void) {
        static const char expected[] = "0: r6 = r1\n"
                                       "1: r1 = *(u32 *)(r6 +24)\n"
                                       "2: if w1 != 13568 goto 15\n"
                                       "3: r1 = map 5\n"
                                       "5: r2 = *(u64 *)(r6 +64)\n"
                                       "6: r3 = 0\n"
                                       "7: r4 = 0\n"
                                       "8: call 107\n"
                                       "9: if r0 == 0 goto 15\n"
                                       "10: r1 = *(u32 *)(r6 +4)\n"
                                       "11: r2 = *(u32 *)(r0 +28)\n"
                                       "12: if r1 != r2 goto 15\n"
                                       "13: r1 = *(u32 *)(r0 +12)\n"
                                       "14: *(u32 *)(r6 +4) = r1\n"
                                       "15: r0 = 1\n"
                                       "16: exit\n";
        BpfProgramParameters p = parameters;

        if (G_BYTE_ORDER != G_LITTLE_ENDIAN) {
                g_test_skip("the text is of a little-endian machine");
                return;
        }
        p.resolves = true;
        check_text(BPF_HOOK_RECVMSG4, &p, expected);
        check_text(BPF_HOOK_GETPEERNAME4, &p, expected);
}

static void test_only_groups_that_resolve_touch_questions(void) {
        BpfProgramParameters p = parameters;
        unsigned n[2] = { 0 };

        for (int resolves = 0; resolves < 2; resolves++) {
                p.resolves = resolves;
                for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++)
                        n[resolves] += bpf_program_is_wanted(hook, &p);
        }
        g_assert_cmpuint(n[0], ==, 5);
        g_assert_cmpuint(n[1], ==, _BPF_HOOK_MAX);
        p.unix_layout.cast_function_id = 0;
        g_assert_false(bpf_program_is_wanted(BPF_HOOK_CONNECT_UNIX, &p));
}

static void test_programs_are_small_and_jump_forward(void) {
        for (int variant = 0; variant < 4; variant++) {
                BpfProgramParameters p = parameters;

                p.resolves = variant & 1;
                p.only_unmarked = variant & 2;
                for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++) {
                        BpfProgram program;

                        if (!bpf_program_is_wanted(hook, &p))
                                continue;
                        bpf_program_build(hook, &p, &program);
                        g_assert_cmpuint(program.n, <=, 112);
                        g_assert_cmpuint(strlen(bpf_hook_info(hook)->name), <, BPF_OBJ_NAME_LEN);
                        g_assert_true(
                                g_str_has_prefix(bpf_hook_info(hook)->name, BPF_PROGRAM_PREFIX));
                        for (size_t i = 0; i < program.n; i++) {
                                const struct bpf_insn *insn = &program.insns[i];
                                unsigned class = BPF_CLASS(insn->code);

                                if ((class != BPF_JMP && class != BPF_JMP32) ||
                                        BPF_OP(insn->code) == BPF_CALL ||
                                        BPF_OP(insn->code) == BPF_EXIT)
                                        continue;
                                g_assert_cmpint(insn->off, >=, 0);
                                g_assert_cmpuint(i + 1 + (size_t)insn->off, <, program.n);
                        }
                }
        }
}

static void test_kernel_takes_all_programs(void) {
        ProgramMaps maps = PROGRAM_MAPS_INIT;
        Fault fault;
        int r = program_maps_open(&maps, /* pins= */ NULL, &fault);

        if (r == -EPERM) {
                g_test_skip("no BPF programs can be loaded here");
                return;
        }
        g_assert_cmpint(r, ==, 0);
        for (int variant = 0; variant < 8; variant++) {
                const MarkedGroup group = { .mark = variant & 4 ? 0 : UINT32_C(0x80000000),
                        .mask = UINT32_C(0x80000000),
                        .resolves = variant & 1 };
                CLEANUP(program_set_free_p) ProgramSet *set = NULL;

                if (program_set_load(&group, variant & 2, &maps, &set, &fault) < 0)
                        g_error("%s", fault.text);
                g_assert_true(program_set_fits(set, &group));
                for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++)
                        if (!bpf_hook_info(hook)->optional)
                                g_assert_cmpint(set->programs[hook] >= 0, ==,
                                        group.resolves || !bpf_hook_info(hook)->resolves);
        }
        program_maps_close(&maps);
}

static void test_pins_are_read_as_they_are_written(void) {
        static const char *const others[] = { "", "785", "785-", "-create", "0785-create",
                "+785-create", " 785-create", "785-create ", "785-creat", "785_create",
                "785-Create", "18446744073709551616-create", "map-asked", "probe", "x785-create" };
        static const uint64_t groups[] = { 0, 1, 785, UINT64_MAX };
        char text[PIN_NAME_MAX];
        PinName name;

        pin_name_format(785, BPF_HOOK_CONNECT4, text);
        g_assert_cmpstr(text, ==, "785-connect4");
        for (size_t i = 0; i < G_N_ELEMENTS(groups); i++)
                for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++) {
                        pin_name_format(groups[i], hook, text);
                        g_assert_cmpint(pin_name_parse(text, &name), ==, 0);
                        g_assert_cmpuint(name.group, ==, groups[i]);
                        g_assert_cmpint(name.hook, ==, hook);
                }
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
                g_assert_cmpint(pin_name_parse(others[i], &name), ==, -EINVAL);
}

/* An int, the struct and the function, as small as they can be. */
static const uint32_t kernel_types[] = {
        1, 1u << 24, 4, 32,              /* 1: int */
        1, 4u << 24 | 3, 64,             /* 2: struct bpf_sock_addr_kern … */
        20, 1, 0, 26, 1, 64, 32, 1, 128, /* … sk, uaddr at byte 8, uaddrlen at byte 16 */
        0, 13u << 24, 0,                 /* 3: a prototype */
        41, 12u << 24, 3,                /* 4: bpf_cast_to_kern_ctx */
};
static const char kernel_strings[] = "\0bpf_sock_addr_kern\0sk\0   uaddr\0uaddrlen\0"
                                     "bpf_cast_to_kern_ctx";

static GByteArray *kernel_btf(void) {
        const uint32_t header[] = { 0x0001eb9f, 24, 0, sizeof(kernel_types), sizeof(kernel_types),
                sizeof(kernel_strings) };
        GByteArray *bytes = g_byte_array_new();

        g_byte_array_append(bytes, (const uint8_t *)header, sizeof(header));
        g_byte_array_append(bytes, (const uint8_t *)kernel_types, sizeof(kernel_types));
        g_byte_array_append(bytes, (const uint8_t *)kernel_strings, sizeof(kernel_strings));
        return bytes;
}

static void test_finds_the_layout_of_a_unix_address(void) {
        g_autoptr(GByteArray) bytes = kernel_btf();
        BpfUnixLayout layout = { 0 };

        g_assert_cmpint(btf_find_unix_layout(bytes->data, bytes->len, &layout), ==, 0);
        g_assert_cmpuint(layout.cast_function_id, ==, 4);
        g_assert_cmpuint(layout.address_offset, ==, 8);
        g_assert_cmpuint(layout.length_offset, ==, 16);
}

static void test_types_of_the_kernel_are_trusted_in_nothing(void) {
        g_autoptr(GByteArray) bytes = kernel_btf();
        BpfUnixLayout layout;

        for (guint n = 0; n < bytes->len; n++) {
                g_autofree uint8_t *copy = g_memdup2(bytes->data, n); /* its end is watched */

                g_assert_cmpint(btf_find_unix_layout(copy, n, &layout), <, 0);
        }
        for (guint n = 0; n < 20000; n++) {
                g_autofree uint8_t *copy = g_memdup2(bytes->data, bytes->len);

                for (int i = 0; i < 3; i++)
                        copy[g_test_rand_int_range(0, (gint32)bytes->len)] =
                                (uint8_t)g_test_rand_int();
                (void)btf_find_unix_layout(copy, bytes->len, &layout);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/bpf-program/create-writes-the-bits-of-the-mask",
                test_create_writes_the_bits_of_the_mask);
        g_test_add_func("/bpf-program/connect-marks-once", test_connect_marks_once);
        g_test_add_func("/bpf-program/answer-shows-who-was-asked", test_answer_shows_who_was_asked);
        g_test_add_func("/bpf-program/only-groups-that-resolve-touch-questions",
                test_only_groups_that_resolve_touch_questions);
        g_test_add_func("/bpf-program/programs-are-small-and-jump-forward",
                test_programs_are_small_and_jump_forward);
        g_test_add_func("/bpf-program/kernel-takes-all-programs", test_kernel_takes_all_programs);
        g_test_add_func(
                "/pins/are-read-as-they-are-written", test_pins_are_read_as_they_are_written);
        g_test_add_func(
                "/btf/finds-the-layout-of-a-unix-address", test_finds_the_layout_of_a_unix_address);
        g_test_add_func("/btf/types-of-the-kernel-are-trusted-in-nothing",
                test_types_of_the_kernel_are_trusted_in_nothing);
        return g_test_run();
}
