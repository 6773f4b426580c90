// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The machine and the lab themselves: what other tests build on holds.
 */

#include <string.h>
#include <sys/socket.h>

#include "tests/machine/lib/machine.h"

static void assert_answer(int family, LabProtocol protocol, const char *expected) {
        g_autofree char *answer = NULL;

        g_assert_cmpint(lab_ask(family, protocol, &answer), ==, 0);
        g_assert_cmpstr(answer, ==, expected);
}

static void assert_answers(const char *expected_v4, const char *expected_v6) {
        for (LabProtocol protocol = LAB_UDP; protocol <= LAB_HTTP; protocol++) {
                assert_answer(AF_INET, protocol, expected_v4);
                assert_answer(AF_INET6, protocol, expected_v6);
        }
}

static void test_boots(gconstpointer data) {
        g_autofree char *state = machine_run_ok("systemctl", "is-system-running", NULL);

        (void)data;
        g_assert_cmpstr(g_strstrip(state), ==, "running");
}

static void test_internet(gconstpointer data) {
        (void)data;
        assert_answers(LAB_ISP0_V4, LAB_ISP0_V6);
}

static int body(Machine *machine, int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_data_func("/machine/boots-to-running", machine, test_boots);
        g_test_add_data_func("/machine/internet-tells-which-isp-asked", machine, test_internet);
        return g_test_run();
}

int main(int argc, char **argv) {
        return machine_main(argc, argv, &(MachineOptions){}, body);
}
