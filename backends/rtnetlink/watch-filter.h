/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Which notifications wake us: a classic BPF program for the watch socket.
 *
 * Pure. Of routes it lets through defaults and halves of the address space
 * (prefix length 0 and 1), ours (OURS_PROTOCOL), and replacements, which may have
 * taken the place of ours: in tables above 255, in others where asked for. Of neighbours, those on
 * links in a list. Of everything else, what our own requests did not cause. See the README of
 * backends/.
 */

#include <stddef.h>
#include <stdint.h>

#include <linux/filter.h>

#define WATCH_FILTER_LINKS_MAX 32
#define WATCH_FILTER_MAX (22 + WATCH_FILTER_LINKS_MAX)

typedef enum WatchRoutes {
        WATCH_ROUTES_FEW,      /* ours, defaults, halves, replacements in tables above 255 */
        WATCH_ROUTES_REPLACED, /* … and replacements in all tables: ours live there, too */
        WATCH_ROUTES_ALL,
} WatchRoutes;

/**
 * watch_filter_build() - write the program
 * @program:    the instructions
 * @port:       of our request socket
 * @routes:     which of others' routes pass
 * @ifindexes:  links whose neighbours pass; at most WATCH_FILTER_LINKS_MAX
 *
 * Return: how many instructions were written.
 */
size_t watch_filter_build(struct sock_filter program[static WATCH_FILTER_MAX], uint32_t port,
        WatchRoutes routes, const uint32_t *ifindexes, size_t n);
