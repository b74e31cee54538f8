/** Questions about syntax that do not need a type checker. */
import ts from 'typescript';

/** The name by which members are sorted: the constructor first, then statics. */
export function keyOf(member) {
  const name = member.name?.getText() ?? '';
  return ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Static ? asStatic(name) : name;
}

/** A static member and one of the instances may have the same name. */
export const asStatic = (name) => ` ${name}`;

/** Whether an application can see a member: its own code, or a class of it that inherits. */
export function isPublic(member) {
  const isHash = member.name && ts.isPrivateIdentifier(member.name);
  return !isHash && !(ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private);
}

export const isDeprecated = (node) => ts.getJSDocDeprecatedTag(node) !== undefined;

/** Whether a declaration is a file's, not a member, a parameter or a type parameter. */
export function isTopLevel(node) {
  const holder = ts.isVariableDeclaration(node) ? node.parent.parent.parent : node.parent;
  return holder !== undefined && (ts.isSourceFile(holder) || ts.isModuleBlock(holder));
}

/** The package or the module of Node that a name is imported or re-exported from; undefined for a global or a file. */
export function originOf(symbol) {
  for (let node = symbol.declarations?.[0]; node; node = node.parent) {
    const from = node.moduleSpecifier?.text;
    if (from !== undefined) return from.startsWith('.') ? undefined : from;
  }
  return undefined;
}

/** Removes `import("./file.js").`, which the compiler writes before a type that the file itself does not import. */
export const withoutPaths = (text) => text.replaceAll(/import\("[^"]+"(, \{[^}]*\})?\)\./g, '');
