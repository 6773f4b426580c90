// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup-bpf/attachment.h"

#include <errno.h>

#include "backends/cgroup-bpf/bpf-call.h"

/*
 * The link that is pinned for @hook. Return: a file descriptor; -ENOENT none;
 * -EPERM something else has its name; negative errno.
 */
static int open_link(const Attachment *attachment, BpfHook hook, bool *ret_is_dead) {
        CLEANUP_FD int link = -1;
        struct bpf_link_info info;
        char name[PIN_NAME_MAX];
        int r;

        pin_name_format(attachment->group, hook, name);
        link = pins_get(attachment->pins, name);
        if (link < 0)
                return link;
        r = bpf_call_link_info(link, &info);
        if (r < 0)
                return r;
        if (info.type != BPF_LINK_TYPE_CGROUP ||
                info.cgroup.attach_type != bpf_hook_info(hook)->attach_type ||
                (info.cgroup.cgroup_id != 0 && attachment->group != PINS_NEWCOMERS &&
                        info.cgroup.cgroup_id != attachment->group))
                return -EPERM;
        *ret_is_dead = info.cgroup.cgroup_id == 0; /* bpf_cgroup_link_auto_detach() */
        return TAKE_FD(link);
}

/* Off before its name goes: a link is let go of some time after that. */
static int remove_link(const Attachment *attachment, BpfHook hook, int link) {
        char name[PIN_NAME_MAX];
        int r = bpf_call_link_detach(link);

        if (r < 0)
                return r;
        pin_name_format(attachment->group, hook, name);
        return pins_remove(attachment->pins, name);
}

/* As open_link(), for which what is dead is not there: it is taken away. */
static int open_live_link(const Attachment *attachment, BpfHook hook) {
        CLEANUP_FD int link = -1;
        bool is_dead = false;
        int r;

        link = open_link(attachment, hook, &is_dead);
        if (link < 0 || !is_dead)
                return TAKE_FD(link);
        r = remove_link(attachment, hook, link);
        return r < 0 ? r : -ENOENT;
}

static int make_link(
        const Attachment *attachment, int directory, BpfHook hook, int program, Fault *fault) {
        const char *what = bpf_hook_info(hook)->name;
        char name[PIN_NAME_MAX];
        CLEANUP_FD int link = bpf_call_link(directory, hook, program, attachment->flags);
        int r;

        if (link == -EPERM)
                return bpf_fault(fault, link,
                        "a BPF program of others is attached to the cgroup or above it and allows "
                        "none beside it (%s)",
                        what);
        if (link < 0)
                return bpf_fault(fault, link, "cannot attach BPF program %s", what);
        pin_name_format(attachment->group, hook, name);
        r = pins_put(attachment->pins, name, link);
        if (r == -ENOENT || r == -ENODEV) /* not the group: it was there a moment ago */
                return bpf_fault(fault, -EIO, "the place for pins is gone");
        return r < 0 ? bpf_fault(fault, r, "cannot pin %s", name) : 0;
}

/* @program (-1: none) is what @hook has afterwards. Return: 1 there was none before; 0 done. */
static int exchange(
        const Attachment *attachment, int directory, BpfHook hook, int program, Fault *fault) {
        CLEANUP_FD int link = open_live_link(attachment, hook);
        char name[PIN_NAME_MAX];
        int r = link;

        if (link == -ENOENT) {
                r = program < 0 ? 0 : make_link(attachment, directory, hook, program, fault);
                return r < 0 ? r : 1;
        }
        if (link >= 0)
                r = program < 0 ? remove_link(attachment, hook, link)
                                : bpf_call_link_update(link, program);
        if (r >= 0)
                return 0;
        pin_name_format(attachment->group, hook, name);
        return bpf_fault(fault, r, "cannot %s what is pinned as %s",
                program < 0 ? "detach" : "exchange", name);
}

/* What an earlier process had there cannot be put back: the new programs stay then. */
static void roll_back(const Attachment *attachment, int directory, BpfHook failed,
        const bool made[static _BPF_HOOK_MAX], const ProgramSet *old) {
        for (BpfHook hook = failed; hook-- > 0;) {
                Fault fault;

                if (made[hook])
                        (void)exchange(attachment, directory, hook, -1, &fault);
                else if (old)
                        (void)exchange(attachment, directory, hook, old->programs[hook], &fault);
        }
}

int attachment_put(const Attachment *attachment, int directory, const ProgramSet *set,
        const ProgramSet *old, Fault *fault) {
        bool made[_BPF_HOOK_MAX];

        for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++) {
                int r = exchange(attachment, directory, hook, set->programs[hook], fault);

                if (r < 0) {
                        roll_back(attachment, directory, hook, made, old);
                        return r;
                }
                made[hook] = r > 0;
        }
        return 0;
}

int attachment_drop(const Attachment *attachment, Fault *fault) {
        Fault later;
        int first = 0;

        for (BpfHook hook = _BPF_HOOK_MAX; hook-- > 0;) {
                int r = exchange(attachment, -1, hook, -1, first < 0 ? &later : fault);

                if (r < 0 && first == 0)
                        first = r;
        }
        return first;
}

int attachment_look(const Attachment *attachment, BpfHook hook) {
        CLEANUP_FD int link = open_live_link(attachment, hook);

        return link >= 0 ? 1 : link == -ENOENT ? 0 : link;
}
