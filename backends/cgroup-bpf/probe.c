// SPDX-License-Identifier: GPL-3.0-or-later

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backends/cgroup-bpf/bpf-call.h"
#include "backends/cgroup-bpf/cgroup-bpf-private.h"
#include "backends/cgroup-bpf/cgroup-bpf.h"
#include "backends/cgroup-bpf/program-set.h"

#define PROBE_PIN "probe"

/* One line of proc_pid_mountinfo(5), with the octal escapes of its path undone in place. */
static char *path_of_cgroup2(char *line) {
        char *separator = strstr(line, " - "), *path = line, *to;

        if (!separator || strncmp(separator + 3, "cgroup2 ", 8) != 0)
                return NULL;
        for (int i = 0; i < 4; i++) {
                path = strchr(path, ' ');
                if (!path)
                        return NULL;
                path++;
        }
        to = path;
        for (const char *from = path; *from != ' ' && *from != '\0'; from++) {
                if (from[0] == '\\' && from[1] && from[2] && from[3]) {
                        *to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
                                       (from[3] - '0'));
                        from += 3;
                } else
                        *to++ = *from;
        }
        *to = '\0';
        return path;
}

/* Return: a descriptor of the root of cgroup2; negative errno. */
static int open_cgroup2(void) {
        FILE *file = fopen("/proc/self/mountinfo", "re");
        CLEANUP_FREE char *line = NULL;
        size_t size = 0;
        int fd = -ENOENT;

        if (!file)
                return -errno;
        while (fd == -ENOENT && getline(&line, &size, file) > 0) {
                const char *path = path_of_cgroup2(line);

                if (!path)
                        continue;
                fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (fd < 0)
                        fd = -errno;
        }
        (void)fclose(file);
        return fd;
}

/* One link is taken through all that is done with links. */
static int try_link(const Pins *pins, int link, int program, Fault *fault) {
        struct bpf_link_info info;
        CLEANUP_FD int again = -1;
        int r;

        (void)pins_remove(pins, PROBE_PIN); /* of a probe that was killed */
        r = pins_put(pins, PROBE_PIN, link);
        if (r < 0)
                return bpf_fault(fault, r, "cannot pin a BPF link");
        again = pins_get(pins, PROBE_PIN);
        (void)pins_remove(pins, PROBE_PIN);
        if (again < 0)
                return bpf_fault(fault, again, "cannot open a pinned BPF link");
        r = bpf_call_link_info(again, &info);
        if (r >= 0)
                r = bpf_call_link_update(again, program);
        if (r >= 0)
                r = bpf_call_link_detach(again);
        return r < 0 ? bpf_fault(fault, r, "cannot change a BPF link") : 0;
}

/* Attaches each program beside what is there; it goes with its link. */
static int try_programs(const Pins *pins, int directory, const ProgramSet *set, Fault *fault) {
        for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++) {
                const char *name = bpf_hook_info(hook)->name;
                CLEANUP_FD int link = -1;
                int r;

                if (set->programs[hook] < 0)
                        continue;
                link = bpf_call_link(directory, hook, set->programs[hook], 0);
                if (link == -EPERM)
                        return bpf_fault(fault, link,
                                "a BPF program of others is attached to the cgroup or above it "
                                "and allows none beside it (%s)",
                                name);
                if (link < 0)
                        return bpf_fault(fault, link, "cannot attach BPF program %s", name);
                if (hook != BPF_HOOK_SOCK_CREATE)
                        continue;
                r = try_link(pins, link, set->programs[hook], fault);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int try_all(const Pins *pins, int directory, Fault *fault) {
        /* A mask of no bits changes no socket, an empty map of resolvers no question. */
        const MarkedGroup nothing = { .resolves = true };
        CLEANUP(program_set_free_p) ProgramSet *set = NULL;
        ProgramMaps maps = PROGRAM_MAPS_INIT;
        int r;

        r = program_maps_open(&maps, /* pins= */ NULL, fault);
        if (r < 0)
                return r;
        r = program_set_load(&nothing, /* only_unmarked= */ false, &maps, &set, fault);
        if (r == 0)
                r = try_programs(pins, directory, set, fault);
        program_maps_close(&maps);
        return r;
}

static int try_on_own_group(const Pins *pins, Fault *fault) {
        CLEANUP_FD int root = open_cgroup2();
        CLEANUP_FD int directory = -1;
        char name[64];
        int r;

        if (root < 0)
                return bpf_fault(fault, root, "cannot open the cgroup2 hierarchy");
        (void)snprintf(name, sizeof(name), "talpid-probe-%ld", (long)getpid());
        if (mkdirat(root, name, 0700) < 0 && errno != EEXIST)
                return bpf_fault(fault, -errno, "cannot make a cgroup");
        directory = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = directory < 0 ? bpf_fault(fault, -errno, "cannot open a cgroup")
                          : try_all(pins, directory, fault);
        (void)unlinkat(root, name, AT_REMOVEDIR); /* an empty directory; nothing else to be done */
        return r;
}

int cgroup_bpf_probe(const CgroupBpfConfig *config, const Backend *backend, int cgroup_fd,
        char text[static CGROUP_BPF_TEXT_MAX]) {
        CLEANUP(pins_close) Pins own = PINS_INIT;
        const Pins *pins = backend ? cgroup_bpf_pins(backend) : &own;
        Fault fault = { 0 };
        int r = 0;

        if (!backend)
                r = pins_open(config->directory, config->owner, /* waits= */ true, &own, &fault);
        if (r >= 0)
                r = cgroup_fd >= 0 ? try_all(pins, cgroup_fd, &fault)
                                   : try_on_own_group(pins, &fault);
        if (own.fd >= 0)
                (void)rmdir(config->directory); /* if it is empty: it was made for this */
        (void)snprintf(text, CGROUP_BPF_TEXT_MAX, "%s", r < 0 ? fault.text : "");
        if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
                return r;
        return r == 0;
}
