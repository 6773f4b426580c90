// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/machine/demo/show.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/machine/lib/check.h"

void show_heading(const char *text) {
        (void)printf("\n== %s\n", text);
        (void)fflush(stdout);
}

void show(Demo *demo, bool holds, const char *claim, const char *format, ...) {
        va_list args;

        (void)printf("   %-52s %s ", claim, holds ? " " : "WRONG:");
        va_start(args, format);
        (void)vprintf(format, args);
        va_end(args);
        (void)printf("\n");
        (void)fflush(stdout);
        demo->n_wrong += !holds;
}

void show_limit(const char *claim) {
        (void)printf("   %-52s   not by nftables\n", claim);
        (void)fflush(stdout);
}

void show_answer(Demo *demo, const char *claim, int family, const char *expected) {
        g_autofree char *answer = NULL;
        int r = lab_ask(family, LAB_HTTP, &answer);

        show(demo, r == 0 && strcmp(answer, expected) == 0, claim, "the internet saw %s",
                r == 0 ? answer : g_strerror(-r));
}

char *show_run(const char *command) {
        g_auto(CommandResult) result = {};

        CHECK_OK(machine_run(&result, "sh", "-c", command, NULL));
        if (result.status != 0)
                (void)fputs(result.err, stderr);
        return g_strdup(result.status == 0 ? g_strchomp(result.out) : "");
}

void show_seen(Demo *demo, const char *claim, const char *command, const char *expected) {
        g_autofree char *seen = show_run(command);

        show(demo, strcmp(seen, expected) == 0, claim, "the internet saw %s",
                seen[0] ? seen : "nothing");
}

char *show_snapshot(void) {
        /* Sorted: a link that comes back is listed last. */
        return machine_run_ok("sh", "-c",
                "for what in '-4 route show table all' '-6 route show table all' '-4 rule' "
                "'-6 rule'; do ip $what | sort; done\n"
                "nft list ruleset\n"
                "find /sys/fs/cgroup -type d -name 'talpid-*'\n"
                "[ ! -d /sys/fs/bpf ] || find /sys/fs/bpf\n"
                "sysctl -a 2>/dev/null | grep -E '^net[.]ipv[46][.](conf[.]|fwmark|tcp_fwmark)' "
                "| grep -v stable_secret",
                NULL);
}

void show_unchanged(Demo *demo, const char *before) {
        g_autofree char *after = show_snapshot();
        bool same = strcmp(before, after) == 0;

        show(demo, same, "rules, routes, nft, groups, pins, sysctls as before", "%zu bytes, %s",
                strlen(after), same ? "all the same" : "they differ");
        if (!same)
                (void)fprintf(stderr, "--- before\n%s--- after\n%s", before, after);
}
