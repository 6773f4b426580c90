// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/sysctl/sysctl-memory.h"

#include <errno.h>
#include <glib.h>

#include "backends/base/cleanup.h"

#define TEXT                                                                                       \
        "talpid-sysctl 1\n"                                                                        \
        "net/ipv4/conf/all/src_valid_mark ours=1 before=0\n"                                       \
        "net/ipv4/conf/wan0.7/route_localnet ours=1 before=-3\n"                                   \
        "end\n"

static void test_reads_what_it_wrote(void) {
        CLEANUP(array_clear) Array entries = ARRAY_INIT(SysctlEntry);
        const Sysctl key = { .key = SYSCTL_ROUTE_LOCALNET, .device = "wan0.7" };
        g_autofree char *text = NULL;

        g_assert_cmpint(sysctl_memory_parse(TEXT, &entries), ==, 0);
        g_assert_cmpuint(entries.n, ==, 2);
        g_assert_cmpint(sysctl_memory_find(&entries, &key)->before, ==, -3);
        g_assert_cmpint(sysctl_memory_format(&entries, &text), ==, 0);
        g_assert_cmpstr(text, ==, TEXT);
}

static void test_takes_nothing_of_junk(void) {
        static const char *const bad[] = {
                "",
                "talpid-sysctl 1\n",
                "talpid-sysctl 2\nend\n",
                "talpid-sysctl 1\nend\nend\n",
                "talpid-sysctl 1\nkernel/core_pattern ours=1 before=0\nend\n",
                "talpid-sysctl 1\nnet/ipv4/conf/../route_localnet ours=1 before=0\nend\n",
                "talpid-sysctl 1\nnet/ipv4/conf/a/b/route_localnet ours=1 before=0\nend\n",
                "talpid-sysctl 1\nnet/ipv4/conf//route_localnet ours=1 before=0\nend\n",
                "talpid-sysctl 1\nnet/ipv4/conf/sixteen-letters-/route_localnet ours=1 "
                "before=0\nend\n",
                "talpid-sysctl 1\nnet/ipv4/fwmark_reflectx ours=1 before=0\nend\n",
                "talpid-sysctl 1\nnet/ipv4/fwmark_reflect ours=1\nend\n",
                "talpid-sysctl 1\nnet/ipv4/fwmark_reflect ours=1 before=\nend\n",
                "talpid-sysctl 1\nnet/ipv4/fwmark_reflect ours=1 before=4294967296\nend\n",
                "talpid-sysctl 1\nnet/ipv4/fwmark_reflect ours= 1 before=0\nend\n",
                "talpid-sysctl 1\nnet/ipv4/fwmark_reflect ours=1 before=0",
                "talpid-sysctl 1\nnet/ipv4/fwmark_reflect ours=1 before=0\n"
                "net/ipv4/fwmark_reflect ours=1 before=0\nend\n",
        };
        CLEANUP(array_clear) Array entries = ARRAY_INIT(SysctlEntry);

        g_assert_cmpint(sysctl_memory_parse(TEXT, &entries), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_assert_cmpint(sysctl_memory_parse(bad[i], &entries), ==, -EBADMSG);
                g_assert_cmpuint(entries.n, ==, 2);
        }
}

static void test_has_a_limit(void) {
        CLEANUP(array_clear) Array entries = ARRAY_INIT(SysctlEntry);
        g_autoptr(GString) text = g_string_new("talpid-sysctl 1\n");

        for (unsigned i = 0; i <= SYSCTL_MEMORY_MAX; i++)
                g_string_append_printf(
                        text, "net/ipv4/conf/wan%u/route_localnet ours=1 before=0\n", i);
        g_string_append(text, "end\n");
        g_assert_cmpint(sysctl_memory_parse(text->str, &entries), ==, -EBADMSG);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/sysctl-memory/reads-what-it-wrote", test_reads_what_it_wrote);
        g_test_add_func("/sysctl-memory/takes-nothing-of-junk", test_takes_nothing_of_junk);
        g_test_add_func("/sysctl-memory/has-a-limit", test_has_a_limit);
        return g_test_run();
}
