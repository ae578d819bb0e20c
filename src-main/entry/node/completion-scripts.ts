/**
 * @file Completion scripts of four shells. Each holds the commands and flags as a table, finds the command from the
 * words before the cursor, and offers its subcommands, its flags, or the values of the flag before.
 */
import type { CompletedCommand, CompletedFlag } from './completion.ts';

export const shells = ['bash', 'zsh', 'fish', 'powershell'] as const;
export type Shell = (typeof shells)[number];

type Writer = (commands: readonly CompletedCommand[]) => string;

/** A text in single quotes for a POSIX shell. */
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const words = (texts: readonly string[]): string => quote(texts.join(' '));
const namesOf = (command: CompletedCommand): readonly string[] => command.commands.map(({ name }) => name);
const flagsOf = (command: CompletedCommand): readonly string[] => command.flags.map(({ name }) => name);

/** All flags that take a value, once, with the values that are known. */
function listValueFlags(commands: readonly CompletedCommand[]): readonly CompletedFlag[] {
  const byName = new Map<string, CompletedFlag>();
  for (const flag of commands.flatMap(({ flags }) => flags))
    if (flag.takesValue && (byName.get(flag.name)?.values.length ?? 0) === 0) byName.set(flag.name, flag);
  return [...byName.values()];
}

const bash: Writer = (commands) => {
  const cases = commands.map(
    (command) =>
      `    ${quote(command.path)}) subcommands=${words(namesOf(command))}; flags=${words(flagsOf(command))} ;;`,
  );
  const valueFlags = listValueFlags(commands);
  const values = valueFlags
    .filter((flag) => flag.values.length > 0)
    .map((flag) => `    ${flag.name}) values=${words(flag.values)} ;;`);
  return `# cambium completion bash: source it, or save it as ~/.local/share/bash-completion/completions/cambium
_cambium_table() {
  subcommands='' flags=''
  case "$1" in
${cases.join('\n')}
    *) return 1 ;;
  esac
}
_cambium() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local path='' word subcommands flags values='' index skip=0
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    if ((skip)); then skip=0; continue; fi
    case " ${valueFlags.map(({ name }) => name).join(' ')} " in *" $word "*) skip=1; continue ;; esac
    [[ $word == -* ]] && continue
    _cambium_table "\${path:+$path }$word" && path="\${path:+$path }$word"
  done
  _cambium_table "$path"
  COMPREPLY=()
  case "$previous" in
${values.join('\n')}
  esac
  if [[ -n $values ]]; then
    COMPREPLY=($(compgen -W "$values" -- "$current"))
  elif ((skip)); then
    COMPREPLY=($(compgen -f -- "$current"))
  elif [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
  elif [[ -n $subcommands ]]; then
    COMPREPLY=($(compgen -W "$subcommands" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _cambium cambium
`;
};

const zsh: Writer = (commands) => {
  const describe = (entries: readonly { readonly name: string; readonly help: string }[]): string =>
    entries.map(({ name, help }) => quote(`${name.replaceAll(':', '\\:')}:${help}`)).join(' ');
  const cases = commands.map(
    (command) =>
      `    ${quote(command.path)})\n` +
      `      subcommands=(${describe(command.commands)})\n` +
      `      flags=(${describe(command.flags)}) ;;`,
  );
  const valueFlags = listValueFlags(commands);
  const values = valueFlags
    .filter((flag) => flag.values.length > 0)
    .map((flag) => `    ${flag.name}) values=(${flag.values.map(quote).join(' ')}) ;;`);
  return `#compdef cambium
# cambium completion zsh: save it as _cambium in a folder of $fpath, or source it after compinit
_cambium_table() {
  subcommands=() flags=()
  case "$1" in
${cases.join('\n')}
    *) return 1 ;;
  esac
}
_cambium() {
  local -a subcommands flags values
  local location='' word previous="\${words[CURRENT-1]}" skip=0
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if ((skip)); then skip=0; continue; fi
    case " ${valueFlags.map(({ name }) => name).join(' ')} " in *" $word "*) skip=1; continue ;; esac
    [[ $word == -* ]] && continue
    _cambium_table "\${location:+$location }$word" && location="\${location:+$location }$word"
  done
  _cambium_table "$location"
  case "$previous" in
${values.join('\n')}
  esac
  if (($#values)); then compadd -a values
  elif ((skip)); then _files
  elif [[ \${words[CURRENT]} == -* ]]; then _describe -o flag flags
  elif (($#subcommands)); then _describe command subcommands
  else _files
  fi
}
if [[ \${funcstack[1]} == _cambium ]]; then _cambium "$@"; else compdef _cambium cambium; fi
`;
};

const fish: Writer = (commands) => {
  const lines = commands.flatMap((command) => {
    const isHere = `-n ${quote(`test (__cambium_path) = ${fishQuote(command.path)}`)}`;
    return [
      ...command.commands.map(
        ({ name, help }) => `complete -c cambium ${isHere} -f -a ${name} -d ${quote(help)}`,
      ),
      ...command.flags.map(({ name, help, takesValue, values }) => {
        const value = takesValue ? ` -r${values.length > 0 ? ` -f -a ${words(values)}` : ' -F'}` : '';
        return `complete -c cambium ${isHere} -l ${name.slice(2)}${value} -d ${quote(help)}`;
      }),
    ];
  });
  const paths = commands.map(({ path }) => fishQuote(path)).join(' ');
  const valueFlags = listValueFlags(commands)
    .map(({ name }) => name)
    .join(' ');
  return `# cambium completion fish: save it as ~/.config/fish/completions/cambium.fish
function __cambium_path
    set -l known ${paths}
    set -l path
    set -l skip 0
    for word in (commandline -opc)[2..]
        if test $skip = 1
            set skip 0
            continue
        end
        if contains -- $word ${valueFlags}
            set skip 1
            continue
        end
        string match -q -- '-*' $word; and continue
        set -l next (string join ' ' $path $word)
        contains -- $next $known; and set path $next
    end
    echo "$path"
end
${lines.join('\n')}
`;
};
const fishQuote = (text: string): string => `"${text}"`;

const powershell: Writer = (commands) => {
  const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;
  const list = (values: readonly string[]): string => `@(${values.map(text).join(', ')})`;
  const table = commands.map(
    (command) =>
      `    ${text(command.path)} = @{ Commands = ${list(namesOf(command))}; Flags = ${list(flagsOf(command))} }`,
  );
  const values = listValueFlags(commands).map((flag) => `    ${text(flag.name)} = ${list(flag.values)}`);
  return `# Add to $PROFILE: cambium completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName cambium -ScriptBlock {
  param($word, $line, $cursor)
  $table = @{
${table.join('\n')}
  }
  $values = @{
${values.join('\n')}
  }
  $path = ''
  $previous = ''
  foreach ($element in $line.CommandElements | Select-Object -Skip 1) {
    $text = $element.ToString()
    if ($element.Extent.EndOffset -ge $cursor -and $text -eq $word) { break }
    if (-not $values.ContainsKey($previous) -and -not $text.StartsWith('-')) {
      $next = "$path $text".Trim()
      if ($table.ContainsKey($next)) { $path = $next }
    }
    $previous = $text
  }
  $offered =
    if ($values.ContainsKey($previous)) { $values[$previous] }
    elseif ($word.StartsWith('-')) { $table[$path].Flags }
    else { $table[$path].Commands }
  $offered | Where-Object { $_ -like "$word*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`;
};

const writers: Readonly<Record<Shell, Writer>> = { bash, zsh, fish, powershell };

export const writeCompletion = (shell: Shell, commands: readonly CompletedCommand[]): string =>
  writers[shell](commands);
