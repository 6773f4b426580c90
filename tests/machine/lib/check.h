// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * What tests in the machine assert over and over; all end the test when wrong.
 */

#include "tests/machine/lib/machine.h"

/* The internet says `expected`, asked by one protocol. */
void check_answer(const LabQuestion *question, const char *expected);

/* … asked by UDP, TCP and HTTP over both families. */
void check_answers(const char *expected_v4, const char *expected_v6);

/* The same of a program that talpid-exclude starts, over HTTP. */
void check_excluded_answers(const char *expected_v4, const char *expected_v6);

/* … now, or soon: where others have to be done with something first. */
void check_answers_soon(Machine *machine, const char *expected_v4, const char *expected_v6);

/* … through one device. */
void check_answers_through(const char *device, const char *expected_v4, const char *expected_v6);

/* @program's output contains @text, now or soon; argv ends with NULL. */
#define CHECK_PRINTS(machine, text, ...)                                                           \
        g_assert_true(machine_wait_for_text(machine, text, __VA_ARGS__, NULL))

/* A call that must give 0. */
#define CHECK_OK(call) g_assert_cmpint(call, ==, 0)

typedef struct CheckCase {
        const char *path;
        void (*test)(Machine *machine);
} CheckCase;

/**
 * check_main() - machine_main() with a table of GTest cases
 *
 * Skips all of them, saying so, when not root.
 *
 * Return: exit status for main().
 */
int check_main(int argc, char **argv, const MachineOptions *options, const CheckCase *cases,
        size_t n_cases);

/* The members of MachineOptions follow. */
#define CHECK_MAIN(argc, argv, cases, ...)                                                         \
        check_main(argc, argv, &(MachineOptions){ __VA_ARGS__ }, cases, G_N_ELEMENTS(cases))
