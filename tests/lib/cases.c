// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/lib/cases.h"

#include "backends/base/log.h"

int cases_main(int argc, char **argv, const char *prefix, const Case *cases, size_t n_cases) {
        g_test_init(&argc, &argv, NULL);
        log_set_level(g_test_verbose() ? LOG_DEBUG : LOG_EMERG);
        for (size_t i = 0; i < n_cases; i++) {
                g_autofree char *path = g_strconcat(prefix, cases[i].name, NULL);

                g_test_add_func(path, cases[i].test);
        }
        return g_test_run();
}
