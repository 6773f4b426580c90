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

/* … through one device. */
void check_answers_through(const char *device, const char *expected_v4, const char *expected_v6);

/* @program's output contains @text, now or soon; argv ends with NULL. */
#define CHECK_PRINTS(machine, text, ...) g_assert_true(machine_wait_for_text(machine, text, __VA_ARGS__, NULL))

/* A call that must give 0. */
#define CHECK_OK(call) g_assert_cmpint(call, ==, 0)
