// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The main job, shown in a machine of its own: claims on the left, the proof
 * beside each. Ends with an error if one does not hold.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/machine/demo/parts.h"

/* As the package of nss-resolve would have it. */
static const char nsswitch[] = "passwd: files\ngroup: files\nshadow: files\n"
                               "hosts: files resolve [!UNAVAIL=return] dns\n";

static int prepare(const char *root) {
        g_autofree char *path = g_build_filename(root, "etc/nsswitch.conf", NULL);

        if (!g_file_set_contents(path, nsswitch, -1, NULL))
                return -EIO;
        return client_prepare(root);
}

static int run(Machine *machine, int argc, char **argv, void *user) {
        Demo demo = { .machine = machine, .lab = machine_get_lab(machine) };

        demo.client = client_new(machine);
        show_routing(&demo);
        show_split(&demo);
        demo.client = client_free(demo.client);
        (void)printf("\n%s\n", demo.n_wrong ? "Something did not hold." : "All of it held.");
        return demo.n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        (void)printf("Booting a machine of its own; your network is left alone.\n");
        (void)fflush(stdout);
        return machine_main(argc, argv,
                &(MachineOptions){ .flags = MACHINE_RESOLVED,
                        .install_from = g_getenv("TALPID_BUILD_DIR") ?: BUILD_DIR,
                        .binds = (const char *const[]){ SOURCE_DIR, NULL },
                        .prepare = prepare },
                run, NULL);
}
