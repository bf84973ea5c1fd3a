/*
 * What the gateway and jobgate-slurm-agent say to each other, over a socketpair: frames
 * (frame.h), each a JSON object. The agent is the only program that links libslurm, and runs in
 * one of two roles, named by its first argument:
 *
 *   watch   one for a cluster: reads the table of jobs, and what the cluster offers
 *   work    one for an identity, with that user's token in SLURM_JWT: submits, cancels, changes
 *
 * An agent reads its cluster from SLURM_CONF and its frames from descriptor 3. It ends when the
 * other end is closed. Its first frame, in both roles, when libslurm has read the configuration:
 *
 *   {"hello": "22.05.8", "cluster": "trial", "accounting": bool, "max_array_size": 20001,
 *    "min_job_age": 300, "message_timeout": 10}                  the version is libslurm's
 *
 * ---- watch --------------------------------------------------------------------------------
 *
 * Every second (and later, so that reading takes a tenth of the time at most) it reads the table
 * and says what differs in the jobs whose comment begins with a mark of ours:
 *
 *   {"table": 17, "asked_at": T, "now": T, "jobs": [RECORD…], "gone": [NUMBER…]}
 *
 * `table` rises by one with each read that was whole, also where nothing differs ("unchanged"
 * counts); asked_at is when it began, by the agent's clock, in microseconds since 1970. gone:
 * jobs said before that the table has no more. One read with very many differences is several
 * frames of the same number, all but the last with "more": true and without "gone". A job that was
 * said, or whose array was, is said on when its owner has rewritten the comment. A read that fails
 * says instead, with libslurm's error and its words:
 *
 *   {"error": 1800, "text": "Unable to contact slurm controller (connect failure)"}
 *
 * RECORD is a job of the table, or of a pending array what is left of it; times in seconds since
 * 1970, 0: none; what is 0, or NULL in libslurm's record, is left out:
 *
 *   {"job": 87, "array": 85, "task": 3, "tasks": "4-9%2", "state": 3, "reason": 24, "desc": "…",
 *    "exit": 768, "derived": 0, "restart": 0, "uid": 1001, "comment": "…", "node": "n1",
 *    "submit": T, "eligible": T, "start": T, "end": T, "preempt": T, "priority": 1}
 *
 * and, with the first record of a job and when it has changed, what the controller has made of it:
 *
 *    "about": {"partition": "main", "account", "qos", "reservation", "time_limit_s", "nodes",
 *     "tasks", "cpus", "memory_mib" or "memory_per_cpu_mib", "tres": "cpu=1,mem=200M,node=1",
 *     "tres_allocated" (since it began), "features", "nice", "work_dir", "stdout", "stderr" (these
 *     with its patterns)}
 *
 * state is job_state whole, flags too; exit is the raw exit_code (a wait status); `task` is there
 * (0 too) for a task that has a record of its own, `tasks` (whole, never cut) for those that have
 * none. node is the list of nodes. start and end of what has not started or ended are when
 * the controller expects it. Text that is no UTF-8 has '?' in it.
 *
 * Told, and not answered: these were said before, by another agent. They are said whatever their
 * comments are now, from the next read on, which is of everything:
 *
 *   {"id": 4, "op": "know", "jobs": [[NUMBER, UID]…]}
 *
 * Asked for, answered with the same id (an answer may come after tables that were read later):
 *
 *   {"id": 5, "op": "offer"}
 *   {"id": 5, "asked_at": T,
 *    "controller": {"version": "22.05.8", "started": T},
 *    "pending", "running": jobs of everybody, of an array each task,
 *    "partitions": [{"name", "starts": bool, "accepts": bool (jobs), "default": bool,
 *     "max_time_s" (none: no limit), "default_time_s", "min_nodes", "max_nodes" (none: no limit),
 *     "nodes": "n[1-2]", "groups", "accounts", "deny_accounts", "qos", "deny_qos" (lists; none: all
 *     may), "pending", "running" (one that waits for several counts in each)}],
 *    "nodes": [{"name", "state": number, "takes": bool (new jobs), "reason", "booted": T,
 *     "slurmd_started": T, "cpus", "cpus_used", "memory_mib", "memory_used_mib", "tmp_mib",
 *     "gres": "gpu:a100:4", "gres_used": "gpu:a100:3(IDX:0-2)", "features": "a100,fast",
 *     "partitions": "main,low"}],
 *    "qos": [{"name", "description", "priority", "max_time_s" (none: no limit)}],
 *    "associations": [{"user", "account", "partition" (none: all), "default": bool,
 *     "qos": ["normal"], "default_qos"}]}
 *
 * or, when the controller does not answer, {"id": 5, "error": …, "text": …}. What is 0 or NULL is
 * left out; times are in seconds since 1970 but asked_at. A cluster without accounting has neither
 * qos nor associations.
 *
 * ---- work ---------------------------------------------------------------------------------
 *
 *   {"id": 1, "op": "submit", "send_before": T, "test": bool, "uid": U, "gid": G, "name": "…",
 *    "comment": "…", "script": "#!/bin/bash…", "work_dir": "/…", "environment": ["A=1"…],
 *    "stdout": "/…", "stderr": "/…", "held": bool, "options": {"partition": "main", …}}
 *
 * test, stdout, stderr, held and options may be missing; a member that is not known is wrong.
 * environment is all that the job finds, but for what Slurm's nodes add and what sbatch would have
 * set: SLURM_JOB_NAME, SLURM_SUBMIT_DIR and, for options, SLURM_CPUS_PER_TASK and their like, where
 * it does not have them. SLURM_UMASK in it is the job's umask. options: sbatch's long options by
 * their names, each with the text that sbatch would take, "" for none; the table of them is
 * agent/options.c, and each means what it means to sbatch. test: the controller's own dry run,
 * which `held` does not change. Nothing is sent at or after send_before (microseconds since 1970),
 * nor with a uid or gid of 0, nor without either. The answers to submit, and to the two below:
 *
 *   {"id": 1, "outcome": "done", "job": 87, "text": "…"}      text: what the controller or a plugin
 *                                                             of it added; may be missing
 *   {"id": 1, "outcome": "done", "start": T}                  of a test: when it would start
 *   {"id": 1, "outcome": "refused", "error": 2000, "text": "Invalid partition name specified"}
 *   {"id": 1, "outcome": "not_sent", …}   surely not sent: too late, or nobody to connect to
 *   {"id": 1, "outcome": "busy", …}       the controller takes no more now
 *   {"id": 1, "outcome": "unknown", …}    all else: time-outs, broken connections
 *   {"id": 1, "outcome": "invalid", "text": "options/time: …"}  the request; nothing was sent
 *
 * error and text are libslurm's, the text with the words that it printed behind a colon. A refused
 * submit may leave a failed record with its mark all the same (2014 does). An unknown one whose
 * error is -1 may be a refusal by a job_submit plugin, whose words are in the text: it is one when
 * the job turns out to be absent. 2050 is a limit that may be a matter of time.
 *
 *   {"id": 2, "op": "cancel", "job": 87, "tasks": "2,4-5"}    without tasks: all of it
 *   {"id": 3, "op": "change", "job": 87, "held": bool, "time_limit_s": N, "max_parallel": N}
 *
 *   {"id": 4, "op": "look", "job": 87}       what the controller has of it
 *   {"id": 5, "op": "account", "job": 87}    what accounting has
 *   {"id": 6, "op": "account", "uid": U, "since": T, "comment": "…"}
 *                                            of a user from then on, with a comment that begins so
 *
 * A "from" in the first two asks for some tasks of an array alone: GW_SLURM_LOOK_TASKS of them, or
 * GW_SLURM_ACCOUNT_TASKS, from this array index on; and look for what waits, too.
 *
 * These are answered with "done" and "jobs": [RECORD…]: none when nobody has it. What slurmdbd has
 * of a number is all that ever had it; without desc, tasks, restart, preempt and priority, with the
 * comment when it has ended (and the site keeps it), and with "by", the uid of who cancelled it.
 *
 * each of change's may be missing: then it stays as it is. A hold is one that the job's user may
 * release. A job that is gone already is "done", with the error that said so.
 *
 * Requests that the agent has not begun when the other end is closed are not begun. One that does
 * not follow this page ends the agent.
 */
#ifndef GW_BACKENDS_SLURM_PROTOCOL_H
#define GW_BACKENDS_SLURM_PROTOCOL_H

#define GW_SLURM_FRAME_RECORDS 1000 /* of a table in one frame, at most */
#define GW_SLURM_LOOK_TASKS 10000   /* indices that one question is about */
#define GW_SLURM_ACCOUNT_TASKS 1000 /* likewise; slurmdbd looks for each of them */
#define GW_SLURM_AGENT_FD 3         /* the agent's end of the socketpair */

/* A comment of ours begins with this and the mark (gw_mark_format()), and then has a blank and
 * the user's own comment, or nothing. */
#define GW_SLURM_COMMENT "jobgate:"

#endif
