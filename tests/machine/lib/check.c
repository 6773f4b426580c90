// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/check.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/machine/lib/cgroup.h"

void check_answer(const LabQuestion *question, const char *expected) {
        static const char *const protocols[] = { "UDP", "TCP", "HTTP" };
        g_autofree char *answer = NULL;
        int r;

        r = lab_ask_question(question, &answer);
        if (r == 0 && g_str_equal(answer, expected))
                return;
        g_error("asked by %s over IPv%c through %s: expected %s, got %s",
                protocols[question->protocol], question->family == AF_INET ? '4' : '6',
                question->device ?: "any device", expected, r < 0 ? g_strerror(-r) : answer);
}

typedef struct Answers {
        const char *v4, *v6;
} Answers;

static bool are_answers(void *user) {
        const Answers *expected = user;
        g_autofree char *v4 = NULL, *v6 = NULL;

        return lab_ask(AF_INET, LAB_UDP, &v4) == 0 && strcmp(v4, expected->v4) == 0 &&
               lab_ask(AF_INET6, LAB_UDP, &v6) == 0 && strcmp(v6, expected->v6) == 0;
}

void check_answers_soon(Machine *machine, const char *expected_v4, const char *expected_v6) {
        Answers expected = { expected_v4, expected_v6 };

        (void)machine_wait_until(machine, are_answers, &expected, MACHINE_WAIT_MSEC);
        check_answers(expected_v4, expected_v6);
}

void check_answers_through(const char *device, const char *expected_v4, const char *expected_v6) {
        for (LabProtocol protocol = LAB_UDP; protocol <= LAB_HTTP; protocol++) {
                check_answer(
                        &(LabQuestion){ .family = AF_INET, .protocol = protocol, .device = device },
                        expected_v4);
                check_answer(
                        &(LabQuestion){
                                .family = AF_INET6, .protocol = protocol, .device = device },
                        expected_v6);
        }
}

void check_answers(const char *expected_v4, const char *expected_v6) {
        check_answers_through(NULL, expected_v4, expected_v6);
}

void check_excluded_answers(const char *expected_v4, const char *expected_v6) {
        g_autofree char *v4 = machine_run_ok("talpid-exclude", "curl", "-s", "--max-time", "10",
                "http://" LAB_INTERNET_V4 "/", NULL);
        g_autofree char *v6 = machine_run_ok("talpid-exclude", "curl", "-sg", "--max-time", "10",
                "http://[" LAB_INTERNET_V6 "]/", NULL);

        g_assert_cmpstr(g_strstrip(v4), ==, expected_v4);
        g_assert_cmpstr(g_strstrip(v6), ==, expected_v6);
}

typedef struct CheckTable {
        const CheckCase *cases;
        size_t n_cases;
} CheckTable;

typedef struct CheckRun {
        const CheckCase *entry;
        Machine *machine;
} CheckRun;

static void run_case(const void *data) {
        const CheckRun *run = data;

        run->entry->test(run->machine);
}

static int check_body(Machine *machine, int argc, char **argv, void *user) {
        const CheckTable *table = user;
        g_autofree CheckRun *runs = g_new(CheckRun, table->n_cases);

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < table->n_cases; i++) {
                runs[i] = (CheckRun){ .entry = &table->cases[i], .machine = machine };
                g_test_add_data_func(runs[i].entry->path, &runs[i], run_case);
        }
        return g_test_run();
}

int check_main(int argc, char **argv, const MachineOptions *options, const CheckCase *cases,
        size_t n_cases) {
        CheckTable table = { .cases = cases, .n_cases = n_cases };
        int r;

        if (geteuid() != 0) {
                g_print("1..0 # SKIP a machine needs root\n");
                return EXIT_SUCCESS;
        }
        if (g_strcmp0(g_getenv("TALPID_TEST_MECHANISM"), "net_cls") != 0)
                return machine_main(argc, argv, options, check_body, &table);
        if (cgroup_hold_net_cls() < 0)
                return EXIT_FAILURE;
        r = machine_main(argc, argv, options, check_body, &table);
        return cgroup_release_net_cls("talpid-excluded") < 0 ? EXIT_FAILURE : r;
}
