/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What of ours is attached to one cgroup2 directory: a pinned link for each
 * program (see pins.h).
 *
 * A link is made and then pinned: it is gone with the process that dies in
 * between. Exchanging a program is one step of the kernel's.
 */

#include "backends/cgroup-bpf/pins.h"
#include "backends/cgroup-bpf/program-set.h"

typedef struct Attachment {
        const Pins *pins;
        uint64_t group; /* or PINS_NEWCOMERS */
        uint32_t flags; /* of bpf_call_link() */
} Attachment;

/**
 * attachment_put() - make @set what is attached of ours
 * @directory:  a file descriptor of the group's
 * @old:        the set that is attached; NULL: none, or it is not known
 *
 * A program takes the place of an older one of ours at once, so no socket is
 * born between them. After a fault it is as before where @old is known.
 *
 * Return: 0; -EPERM a program of others forbids it; negative errno. @fault filled.
 */
int attachment_put(const Attachment *attachment, int directory, const ProgramSet *set,
        const ProgramSet *old, Fault *fault);

/* Detaches whatever is there of ours, as far as it goes. Return: 0; the first error, @fault. */
int attachment_drop(const Attachment *attachment, Fault *fault);

/*
 * Looks whether @hook has a link, and takes away what is left of one whose
 * directory is gone. Return: 1; 0 none; negative errno.
 */
int attachment_look(const Attachment *attachment, BpfHook hook);
