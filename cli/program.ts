import { Argument as ArgumentOf, Command as Program, CommanderError, Option as OptionOf } from 'commander';
import { COMMANDS, COMMON_OPTIONS, GROUPS } from './commands.ts';
import type { Command, Option } from './commands.ts';
import type { Terminal } from './terminal.ts';

export interface Parsed {
  readonly command: Command;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly options: Readonly<Record<string, unknown>>;
}

/** The command that these words ask for. Throws a `CommanderError`, its exit code 0 where help or the version was wanted and shown. */
export async function parse(words: readonly string[], version: string, terminal: Terminal): Promise<Parsed> {
  let parsed: Parsed | undefined;
  const root = new Program('shearline')
    .description('Keeps one managed encryption key in step in every keystore that holds it.')
    .version(version, '-V, --version')
    .helpCommand(false)
    .exitOverride()
    .showHelpAfterError(SHOW_HELP)
    .configureOutput(outputOf(terminal));
  const groups = new Map<string, Program>();
  for (const command of COMMANDS) {
    const [first, second] = command.path;
    const parent = second === undefined ? root : groupOf(root, groups, first);
    const program = made(command, (found) => {
      parsed = found;
    });
    parent.addCommand(program.copyInheritedSettings(parent));
  }
  root.addHelpText('after', FOOT);
  await root.parseAsync([...words], { from: 'user' });
  if (parsed === undefined) throw new CommanderError(2, 'shearline.nothing', 'No command was given.');
  return parsed;
}

const SHOW_HELP = '(--help shows what it takes)';

function outputOf({ out, err }: Terminal) {
  return {
    writeOut: (text: string) => {
      out.write(text);
    },
    writeErr: (text: string) => {
      err.write(text);
    },
    getOutHelpWidth: () => out.width ?? 100,
    getErrHelpWidth: () => err.width ?? 100,
    getOutHasColors: () => out.colour,
    getErrHasColors: () => err.colour,
  };
}

const FOOT = `
Exit codes: 0 done, in sync   1 failed   2 wrong use   3 drift found   4 not signed in, or not allowed
            5 could not be asked   6 waits for a second person`;

function groupOf(root: Program, groups: Map<string, Program>, name: string): Program {
  const known = groups.get(name);
  if (known !== undefined) return known;
  const group = new Program(name)
    .description(capital(GROUPS[name] ?? name))
    .helpCommand(false)
    .exitOverride()
    .showHelpAfterError(SHOW_HELP);
  groups.set(name, group);
  root.addCommand(group.copyInheritedSettings(root));
  return group;
}

function made(command: Command, chosen: (parsed: Parsed) => void): Program {
  const name = command.path.at(-1) ?? '';
  const program = new Program(name)
    .summary(command.summary)
    .description(command.more === undefined ? `${command.summary}.` : `${command.summary}. ${command.more}`)
    .exitOverride()
    .showHelpAfterError(SHOW_HELP);
  const named = command.arguments ?? [];
  for (const { name: argument, says, optional, many, choices } of named) {
    const shape = `${argument}${many === true ? '...' : ''}`;
    const made = new ArgumentOf(optional === true ? `[${shape}]` : `<${shape}>`, says);
    program.addArgument(choices === undefined ? made : made.choices(choices));
  }
  for (const option of [...(command.options ?? []), ...COMMON_OPTIONS]) program.addOption(optionOf(option));
  return program.action((...given: unknown[]) => {
    chosen({
      command,
      arguments: Object.fromEntries(named.map(({ name: argument }, at) => [argument, given[at]])),
      options: program.opts(),
    });
  });
}

function optionOf({ name, value, says, many, choices }: Option): OptionOf {
  const made = new OptionOf(value === undefined ? `--${name}` : `--${name} <${value}>`, says);
  if (choices !== undefined) made.choices(choices);
  if (many === true) {
    made.argParser((each: string, before: string[] | undefined) => {
      if (choices !== undefined && !choices.includes(each)) {
        throw new CommanderError(
          2,
          'shearline.choice',
          `error: option '--${name} <${value ?? ''}>' argument '${each}' is invalid. Allowed choices are ${choices.join(', ')}.`,
        );
      }
      return [...(before ?? []), each];
    });
  }
  return made;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
