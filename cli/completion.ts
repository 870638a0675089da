import { COMMANDS, COMMON_OPTIONS, GROUPS } from './commands.ts';
import type { Command } from './commands.ts';
import { EXIT } from './exit.ts';
import { required } from './invocation.ts';
import type { Run } from './invocation.ts';

export const run: Run = (call) => {
  call.terminal.out.write(required(call, 'shell') === 'zsh' ? zsh() : bash());
  return Promise.resolve(EXIT.ok);
};

interface Choice {
  readonly word: string;
  readonly says: string;
}

/** What can follow so far: by the words of the command, those that come next. */
function following(): ReadonlyMap<string, readonly Choice[]> {
  const choices = new Map<string, Choice[]>();
  const add = (after: string, choice: Choice) => {
    const known = choices.get(after) ?? [];
    if (!known.some(({ word }) => word === choice.word)) choices.set(after, [...known, choice]);
  };
  for (const command of COMMANDS) {
    const [first, second] = command.path;
    if (second === undefined) add('', { word: first, says: command.summary });
    else {
      add('', { word: first, says: GROUPS[first] ?? first });
      add(first, { word: second, says: command.summary });
    }
    for (const { choices: words = [] } of command.arguments ?? []) {
      for (const word of words) add(command.path.join(' '), { word, says: '' });
    }
    for (const { name, says } of optionsOf(command)) add(command.path.join(' '), { word: `--${name}`, says });
  }
  return choices;
}

/** The values that an option takes, by command and option. */
function values(): ReadonlyMap<string, readonly string[]> {
  return new Map(
    COMMANDS.flatMap((command) =>
      optionsOf(command).flatMap(({ name, choices }): [string, readonly string[]][] =>
        choices === undefined ? [] : [[`${command.path.join(' ')} --${name}`, choices]],
      ),
    ),
  );
}

/** Options that stand before a value of the user's own: nothing is offered after them but files. */
const takingValues = (): readonly string[] => [
  ...new Set(
    COMMANDS.flatMap((command) =>
      optionsOf(command).flatMap(({ name, value }) => (value === undefined ? [] : [`--${name}`])),
    ),
  ),
];

const optionsOf = (command: Command) =>
  [...(command.options ?? []), ...COMMON_OPTIONS, { name: 'help', says: 'what it takes' } as const].map(
    (
      option,
    ): {
      readonly name: string;
      readonly says: string;
      readonly value?: string;
      readonly choices?: readonly string[];
    } => option,
  );

/** The words of the command that are on the line so far, in either shell; options and their values are not among them. */
const WORDS = `  local so_far="" word previous=""
  for word in "\${words_before[@]}"; do
    case "$previous" in @values@) previous=""; continue ;; esac
    previous="$word"
    case "$word" in -*) continue ;; esac
    case "$so_far" in
      '') so_far="$word" ;;
      @groups@) so_far="$so_far $word" ;;
    esac
  done`;

function words(): string {
  return WORDS.replace('@values@', takingValues().join('|')).replace('@groups@', Object.keys(GROUPS).join('|'));
}

function bash(): string {
  const cases = [...following()].map(
    ([after, choices]) => `    '${after}') offered="${choices.map(({ word }) => word).join(' ')}" ;;`,
  );
  const given = [...values()].map(([after, choices]) => `    '${after}') offered="${choices.join(' ')}" ;;`);
  return `# shearline completion for bash: source <(shearline completion bash)
_shearline() {
  local current="\${COMP_WORDS[COMP_CWORD]}" last="\${COMP_WORDS[COMP_CWORD-1]}" offered=""
  local words_before=("\${COMP_WORDS[@]:1:COMP_CWORD-1}")
${words()}
  case "$so_far $last" in
${given.join('\n')}
    *' --file') mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
  esac
  if [ -z "$offered" ]; then
    case "$last" in ${takingValues().join('|')}) return ;; esac
    case "$so_far" in
${cases.join('\n')}
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$offered" -- "$current")
}
complete -F _shearline shearline
`;
}

function zsh(): string {
  const quoted = ({ word, says }: Choice) =>
    `'${(says === '' ? word : `${word}:${says}`).replaceAll("'", String.raw`'\''`)}'`;
  const cases = [...following()].map(
    ([after, choices]) => `    '${after}') offered=(${choices.map(quoted).join(' ')}) ;;`,
  );
  const given = [...values()].map(([after, choices]) => `    '${after}') offered=(${choices.join(' ')}) ;;`);
  return `#compdef shearline
# shearline completion for zsh: source <(shearline completion zsh)
_shearline() {
  local last="\${words[CURRENT-1]}"
  local -a offered words_before
  words_before=("\${(@)words[2,CURRENT-1]}")
${words()}
  case "$so_far $last" in
${given.join('\n')}
    *' --file') _files; return ;;
  esac
  if (( ! \${#offered} )); then
    case "$last" in ${takingValues().join('|')}) return ;; esac
    case "$so_far" in
${cases.join('\n')}
    esac
  fi
  _describe 'shearline' offered
}
compdef _shearline shearline
`;
}
