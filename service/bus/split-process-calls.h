/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Methods of org.talpid.SplitTunnel about processes.
 *
 * A process is opened afresh on every pass; its start time is a detail of the
 * question to polkit, so that nobody agrees to one process and gets another of
 * the same number.
 */

#include "service/bus/split-object.h"

/* AddProcess, RemoveProcess and their descriptor forms. Return: as a handler. */
int split_process_calls_move(const SplitObjectConfig *config, sd_bus_message *message, bool by_fd,
        bool is_exclude, sd_bus_error *error);

int split_process_calls_clear(
        const SplitObjectConfig *config, sd_bus_message *message, sd_bus_error *error);
int split_process_calls_list(
        const SplitObjectConfig *config, sd_bus_message *message, sd_bus_error *error);
