/* completion.c - completion scripts for bash, zsh and fish, made from the tables.
 *
 * What can only be known when Tab is pressed (Go processes) comes from the hidden command
 * `gospect complete targets|pids`: one candidate a line, a tab, and a description. */
#include <string.h>

#include "front/cli/manual.h"

static bool shown(const struct cli_cmd *cmd)
{
    return !(cmd->flags & CLI_HIDDEN);
}

static void command_names(struct buf *b)
{
    for (size_t i = 0, n = 0; i < CLI_NCMD; i++)
        if (shown(&cli_cmds[i]))
            buf_printf(b, "%s%s", n++ ? " " : "", cli_cmds[i].name);
}

static void choice_words(struct buf *b, const char *choices)
{
    const char *at = choices, *word;
    size_t n;
    for (bool first = true; cli_next_word(&at, &word, &n); first = false)
        buf_printf(b, "%s%.*s", first ? "" : " ", (int)n, word);
}

/* Text inside single quotes: ' ends them, says itself and begins them again. */
static void single_quoted(struct buf *b, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '\'')
            buf_str(b, "'\\''");
        else if (*p != '`')
            buf_char(b, *p);
    }
}

/* ---- bash ---- */

static void bash_values(struct buf *b, const struct cli_cmd *cmd)
{
    for (size_t i = 0; i < CLI_NOPT; i++) {
        const struct cli_opt *o = &cli_opts[i];
        if (!cli_opt_applies(o, cmd) || !cli_opt_takes_arg(o))
            continue;
        buf_printf(b, "        %s:--%s", cmd->name, o->name);
        if (o->letter)
            buf_printf(b, "|%s:-%c", cmd->name, o->letter);
        if (o->kind == CLI_CHOICE) {
            buf_str(b, ") COMPREPLY=($(compgen -W '");
            choice_words(b, o->arg);
            buf_str(b, "' -- \"$cur\")); return;;\n");
        } else if (cli_opt_is_file(o)) {
            buf_str(b, ") _gospect_files; return;;\n");
        } else {
            buf_str(b, ") return;;\n");
        }
    }
}

static void bash_options(struct buf *b, const struct cli_cmd *cmd)
{
    buf_printf(b, "            %s) words='", cmd->name);
    for (size_t i = 0, n = 0; i < CLI_NOPT; i++)
        if (cli_opt_applies(&cli_opts[i], cmd))
            buf_printf(b, "%s--%s", n++ ? " " : "", cli_opts[i].name);
    buf_str(b, "';;\n");
}

static const char *bash_candidates(const struct cli_param *p)
{
    switch (p->complete) {
    case COMPLETE_TARGET:
    case COMPLETE_BINARY:
        return "_gospect_targets targets; _gospect_files";
    case COMPLETE_PID:
        return "_gospect_targets pids";
    case COMPLETE_COMMAND:
        return "COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\"))";
    default:
        return "true";
    }
}

static void bash_param(struct buf *b, const struct cli_param *p)
{
    const char *words = cli_param_words(p);
    if (words)
        buf_printf(b, "COMPREPLY+=($(compgen -W '%s' -- \"$cur\"))", words);
    else
        buf_str(b, bash_candidates(p));
}

/* What may stand behind a command. */
static void bash_params(struct buf *b, const struct cli_cmd *cmd)
{
    buf_printf(b, "        %s) ", cmd->name);
    bash_param(b, cmd->param[0]);
    for (size_t i = 1; i < CLI_PARAMS; i++) {
        const struct cli_param *p = cmd->param[i];
        if (p->name && (cli_param_words(p) || p->complete == COMPLETE_TARGET)) {
            buf_str(b, "; ");
            bash_param(b, p);
        }
    }
    buf_str(b, ";;\n");
}

static const char bash_head[] =
    "# bash completion for gospect, made by `gospect completion bash`\n"
    "_gospect_targets() {\n"
    "    local word rest\n"
    "    while IFS=$'\\t' read -r word rest; do\n"
    "        [[ $word == \"$cur\"* ]] && COMPREPLY+=(\"$word\")\n"
    "    done < <(\"${COMP_WORDS[0]}\" complete \"$1\" 2>/dev/null)\n"
    "}\n"
    "_gospect_files() {\n"
    "    compopt -o filenames 2>/dev/null\n"
    "    local file\n"
    "    while IFS= read -r file; do COMPREPLY+=(\"$file\"); done < <(compgen -f -- \"$cur\")\n"
    "}\n"
    "_gospect() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd='' i words\n";

static const char bash_middle[] =
    "    COMPREPLY=()\n"
    "    if [[ $cur == = ]]; then cur=''\n"
    "    elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        if [[ \" $commands \" == *\" ${COMP_WORDS[i]} \"* ]]; then cmd=${COMP_WORDS[i]}; "
    "break; fi\n"
    "    done\n"
    "    if [[ -z $cmd ]]; then\n"
    "        if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"$global\" -- \"$cur\"))\n"
    "        else COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\")); fi\n"
    "        return\n"
    "    fi\n"
    "    case \"$cmd:$prev\" in\n";

static void bash(struct buf *b)
{
    buf_str(b, bash_head);
    buf_str(b, "    local commands='");
    command_names(b);
    buf_str(b, "'\n    local global='");
    for (size_t i = 0, n = 0; i < CLI_NOPT; i++)
        if (cli_opt_global(&cli_opts[i]))
            buf_printf(b, "%s--%s", n++ ? " " : "", cli_opts[i].name);
    buf_str(b, "'\n");
    buf_str(b, bash_middle);
    for (size_t i = 0; i < CLI_NCMD; i++)
        if (shown(&cli_cmds[i]))
            bash_values(b, &cli_cmds[i]);
    buf_str(b, "    esac\n    if [[ $cur == -* ]]; then\n        case \"$cmd\" in\n");
    for (size_t i = 0; i < CLI_NCMD; i++)
        if (shown(&cli_cmds[i]))
            bash_options(b, &cli_cmds[i]);
    buf_str(b, "        esac\n        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
               "        return\n    fi\n    case \"$cmd\" in\n");
    for (size_t i = 0; i < CLI_NCMD; i++)
        if (shown(&cli_cmds[i]) && cli_cmds[i].param[0]->name)
            bash_params(b, &cli_cmds[i]);
    buf_str(b, "    esac\n}\ncomplete -F _gospect gospect\n");
}

/* ---- zsh ---- */

/* Help inside [...] of an _arguments spec that stands in single quotes. */
static void zsh_text(struct buf *b, const char *text)
{
    struct buf quoted = {0};
    single_quoted(&quoted, text);
    for (const char *p = buf_text(&quoted); *p; p++) {
        if (*p == '[' || *p == ']' || *p == ':')
            buf_char(b, '\\');
        buf_char(b, *p);
    }
    buf_free(&quoted);
}

static void zsh_action(struct buf *b, const struct cli_opt *o)
{
    if (!cli_opt_takes_arg(o))
        return;
    buf_printf(b, ":%s:", o->kind == CLI_CHOICE ? "word" : o->arg);
    if (o->kind == CLI_CHOICE) {
        buf_char(b, '(');
        choice_words(b, o->arg);
        buf_char(b, ')');
    } else {
        buf_str(b, cli_opt_is_file(o) ? "_files" : " ");
    }
}

static void zsh_option(struct buf *b, const struct cli_opt *o)
{
    const char *again = o->kind == CLI_LIST || o->kind == CLI_COUNT ? "*" : "";
    if (o->letter) {
        buf_printf(b, "        '%s-%c%s[", again, o->letter, cli_opt_takes_arg(o) ? "+" : "");
        zsh_text(b, o->help);
        buf_char(b, ']');
        zsh_action(b, o);
        buf_str(b, "' \\\n");
    }
    buf_printf(b, "        '%s--%s%s[", again, o->name, cli_opt_takes_arg(o) ? "=" : "");
    zsh_text(b, o->help);
    buf_char(b, ']');
    zsh_action(b, o);
    buf_str(b, "' \\\n");
}

static const char *zsh_candidates(const struct cli_param *p)
{
    switch (p->complete) {
    case COMPLETE_TARGET:
    case COMPLETE_BINARY:
        return "_gospect_targets";
    case COMPLETE_PID:
        return "_gospect_pids";
    case COMPLETE_COMMAND:
        return "_gospect_commands";
    default:
        return " ";
    }
}

static void zsh_param(struct buf *b, const struct cli_param *p)
{
    const char *words = cli_param_words(p);
    if (words)
        buf_printf(b, "(%s)", words);
    else
        buf_str(b, zsh_candidates(p));
}

static const char zsh_head[] = "#compdef gospect\n"
                               "# zsh completion for gospect, made by `gospect completion zsh`\n"
                               "_gospect_candidates() {\n"
                               "    local -a found\n"
                               "    local line\n"
                               "    for line in ${(f)\"$(gospect complete $1 2>/dev/null)\"}; do\n"
                               "        found+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
                               "    done\n"
                               "    _describe -t processes 'Go process' found\n"
                               "}\n"
                               "_gospect_pids() { _gospect_candidates pids }\n"
                               "_gospect_targets() { _gospect_candidates targets; _files }\n";

static void zsh_command(struct buf *b, const struct cli_cmd *cmd)
{
    buf_printf(b, "    %s)\n        _arguments -s -S \\\n", cmd->name);
    for (size_t i = 0; i < CLI_NOPT; i++)
        if (cli_opt_applies(&cli_opts[i], cmd))
            zsh_option(b, &cli_opts[i]);
    for (size_t i = 0; i < CLI_PARAMS; i++) {
        if (!cmd->param[i]->name)
            continue;
        const char *which = cli_param_is_many(cmd->param[i]) ? "*:"
                            : cmd->param[i]->required        ? ":"
                                                             : "::";
        buf_printf(b, "        '%s%s:", which, cmd->param[i]->name);
        zsh_param(b, cmd->param[i]);
        buf_str(b, "' \\\n");
    }
    buf_str(b, "        && return 0;;\n");
}

static void zsh(struct buf *b)
{
    buf_str(b, zsh_head);
    buf_str(b, "_gospect_commands() {\n    local -a commands=(\n");
    for (size_t i = 0; i < CLI_NCMD; i++) {
        if (!shown(&cli_cmds[i]))
            continue;
        buf_printf(b, "        '%s:", cli_cmds[i].name);
        single_quoted(b, cli_cmds[i].summary);
        buf_str(b, "'\n");
    }
    buf_str(b, "    )\n    _describe -t commands command commands\n}\n"
               "_gospect() {\n"
               "    local curcontext=$curcontext state line\n"
               "    _arguments -C \\\n");
    for (size_t i = 0; i < CLI_NOPT; i++)
        if (cli_opt_global(&cli_opts[i]))
            zsh_option(b, &cli_opts[i]);
    buf_str(b, "        '1:command:_gospect_commands' '*::argument:->rest' && return 0\n"
               "    case $line[1] in\n");
    for (size_t i = 0; i < CLI_NCMD; i++)
        if (shown(&cli_cmds[i]))
            zsh_command(b, &cli_cmds[i]);
    buf_str(b, "    esac\n}\n"
               "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _gospect \"$@\"\n"
               "else compdef _gospect gospect; fi\n");
}

/* ---- fish ---- */

/* Inside '...' only \\ and ' are special to fish. */
static void fish_quoted(struct buf *b, const char *text)
{
    buf_char(b, '\'');
    for (const char *p = text; *p; p++) {
        if (*p == '\'' || *p == '\\')
            buf_char(b, '\\');
        if (*p != '`')
            buf_char(b, *p);
    }
    buf_char(b, '\'');
}

static void fish_option(struct buf *b, const struct cli_opt *o, const struct cli_cmd *cmd)
{
    buf_str(b, "complete -c gospect");
    if (cmd)
        buf_printf(b, " -n '__fish_seen_subcommand_from %s'", cmd->name);
    if (o->letter)
        buf_printf(b, " -s %c", o->letter);
    buf_printf(b, " -l %s", o->name);
    if (o->kind == CLI_CHOICE) {
        buf_str(b, " -x -a '");
        choice_words(b, o->arg);
        buf_str(b, "'");
    } else if (cli_opt_takes_arg(o)) {
        buf_str(b, cli_opt_is_file(o) ? " -r -F" : " -x");
    }
    buf_str(b, " -d ");
    fish_quoted(b, o->help);
    buf_char(b, '\n');
}

static const char *fish_candidates(const struct cli_param *p)
{
    switch (p->complete) {
    case COMPLETE_TARGET:
    case COMPLETE_BINARY:
        return "-F -a '(gospect complete targets 2>/dev/null)'";
    case COMPLETE_PID:
        return "-a '(gospect complete pids 2>/dev/null)'";
    default:
        return NULL;
    }
}

static void fish_param(struct buf *b, const struct cli_cmd *cmd, const struct cli_param *p)
{
    const char *words = cli_param_words(p), *candidates = fish_candidates(p);
    bool commands = p->complete == COMPLETE_COMMAND;
    if (!words && !candidates && !commands)
        return;
    buf_printf(b, "complete -c gospect -n '__fish_seen_subcommand_from %s' ", cmd->name);
    if (candidates) {
        buf_str(b, candidates);
    } else {
        buf_str(b, "-a '");
        if (words)
            buf_str(b, words);
        else
            command_names(b);
        buf_char(b, '\'');
    }
    buf_char(b, '\n');
}

static void fish(struct buf *b)
{
    buf_str(b, "# fish completion for gospect, made by `gospect completion fish`\n"
               "complete -c gospect -f\n");
    for (size_t i = 0; i < CLI_NCMD; i++) {
        if (!shown(&cli_cmds[i]))
            continue;
        buf_printf(b, "complete -c gospect -n __fish_use_subcommand -a %s -d ", cli_cmds[i].name);
        fish_quoted(b, cli_cmds[i].summary);
        buf_char(b, '\n');
    }
    for (size_t i = 0; i < CLI_NOPT; i++) {
        const struct cli_opt *o = &cli_opts[i];
        if (cli_opt_global(o)) {
            fish_option(b, o, NULL);
            continue;
        }
        for (size_t k = 0; k < CLI_NCMD; k++)
            if (shown(&cli_cmds[k]) && cli_opt_applies(o, &cli_cmds[k]))
                fish_option(b, o, &cli_cmds[k]);
    }
    for (size_t i = 0; i < CLI_NCMD; i++)
        if (shown(&cli_cmds[i]))
            for (size_t k = 0; k < CLI_PARAMS; k++)
                fish_param(b, &cli_cmds[i], cli_cmds[i].param[k]);
}

bool cli_completion(struct buf *b, const char *shell)
{
    static const struct {
        const char *name;
        void (*write)(struct buf *b);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
        if (strcmp(shells[i].name, shell) == 0) {
            shells[i].write(b);
            return true;
        }
    }
    return false;
}
