/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What of ours is attached to one cgroup2 directory.
 *
 * Attached programs stay when the process dies, and go with the directory.
 * They are found again by their names (BPF_PROGRAM_PREFIX); looking at programs
 * that this process did not load takes CAP_SYS_ADMIN, for which the kernel
 * answers EPERM.
 */

#include "backends/cgroup-bpf/program-set.h"

/**
 * attachment_put() - make @set what is attached of ours
 * @directory:  a file descriptor
 * @old:        the set that is attached; NULL: unknown, look for it
 * @flags:      BPF_F_ALLOW_MULTI and perhaps BPF_F_PREORDER
 *
 * A program takes the place of an older one of ours at once, so no socket is
 * born between them. After a fault it is as before.
 *
 * Return: 0; -EPERM a program of others forbids it; negative errno. @fault filled.
 */
int attachment_put(
        int directory, const ProgramSet *set, const ProgramSet *old, uint32_t flags, Fault *fault);

/* Detaches @old, or whatever of ours is found when NULL. Return: as attachment_put(). */
int attachment_drop(int directory, const ProgramSet *old, Fault *fault);

/* Whether the program of @set that marks new sockets is attached. Return: 1; 0; negative errno. */
int attachment_holds(int directory, const ProgramSet *set);

/* Reads what is attached. @ret_resolver_map (may be NULL): its map, or -1.
 * Return: 1 something of ours; 0 nothing; -EPERM programs are there, whose is unknown. */
int attachment_read(int directory, BpfGroupRecord *ret, int *ret_resolver_map);
