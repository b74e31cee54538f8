/**
 * The public types of an entry point as text, without comments, paths and private members. A type that is computed
 * from something unexported (the keys of a table, for example) is written out, because users see only the result.
 */
import ts from 'typescript';
import { asStatic, isDeprecated, isPublic, isTopLevel, keyOf, originOf, withoutPaths } from './nodes.mjs';

const printer = ts.createPrinter({ removeComments: true });
const { NoTruncation, UseSingleQuotesForStringLiteralType, InTypeAlias } = ts.TypeFormatFlags;
const FORMAT = NoTruncation | UseSingleQuotesForStringLiteralType | InTypeAlias;
const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

/** @returns {string} TypeScript, to be formatted */
export function describe(program, folder, entry) {
  return new Description(program, folder, entry).toString();
}

class Description {
  /** Names from other packages: where each is imported from. */
  imports = new Map();
  /** Types that exported ones refer to, and that are not exported themselves. */
  unexported = new Set();

  /** @param folder of the package; a declaration elsewhere is only named */
  constructor(program, folder, entry) {
    this.checker = program.getTypeChecker();
    this.folder = `${folder}/`;
    this.file = program.getSourceFile(entry);
    this.exports = this.checker.getExportsOfModule(this.checker.getSymbolAtLocation(this.file)).sort(byName);
    this.exported = new Set(this.exports.map((symbol) => this.target(symbol)));
  }

  toString() {
    const parts = this.exports.map((symbol) => this.exportOf(symbol));
    const hidden = [];
    // Printing one may add others, and this loop reaches those too
    for (const symbol of this.unexported) hidden.push({ name: symbol.name, text: this.declarations(symbol) });
    const imports = [...this.imports].sort().map(([name, from]) => `import type { ${name} } from '${from}';`);
    const title = hidden.length > 0 ? ['// Not exported, but named above'] : [];
    return [imports.join('\n'), ...parts, ...title, ...hidden.sort(byName).map(({ text }) => text)].join('\n\n');
  }

  /** The symbol behind an imported or exported name. */
  target(symbol) {
    return symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol;
  }

  isOwn(symbol) {
    const isInside = (file) => file.startsWith(this.folder) && !file.includes('/node_modules/', this.folder.length - 1);
    return (symbol.declarations ?? []).every((node) => isInside(node.getSourceFile().fileName));
  }

  /** Of this package, and not exported here. */
  isHidden(symbol) {
    return this.isOwn(symbol) && !this.exported.has(symbol);
  }

  exportOf(name) {
    const symbol = this.target(name);
    if (this.isOwn(symbol)) return this.declarations(symbol, 'export ');
    return `export { ${name.name} } from '${originOf(name)}';`;
  }

  declarations(symbol, prefix = '') {
    const text = (node) => (isDeprecated(node) ? '/** @deprecated */\n' : '') + prefix + this.declaration(node);
    return symbol.declarations.map(text).join('\n\n');
  }

  declaration(node) {
    if (ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node)) return this.shape(node);
    if (ts.isTypeAliasDeclaration(node) && this.isComputed(node.type)) return this.computed(node);
    if (ts.isVariableDeclaration(node)) return `declare const ${this.text(node)};`;
    return this.text(node).replace(/^export /, '');
  }

  text(node) {
    this.noteNames(node);
    return withoutPaths(printer.printNode(ts.EmitHint.Unspecified, node, node.getSourceFile()));
  }

  /** A class or an interface: its head and its members, by name. */
  shape(node) {
    const clauses = node.heritageClauses ?? [];
    const own = node.members.filter(isPublic).map((member) => ({ name: keyOf(member), text: this.member(member) }));
    const names = new Set(own.map(({ name }) => name));
    const bases = clauses.flatMap(({ types }) => types.flatMap((type) => this.computedMembers(type)));
    const inherited = bases.filter(({ name }) => !names.has(name));
    const modifiers = (node.modifiers ?? []).map((one) => one.getText()).filter((word) => word !== 'export');
    const parameters = node.typeParameters ? `<${node.typeParameters.map((one) => this.text(one)).join(', ')}>` : '';
    const kind = ts.isInterfaceDeclaration(node) ? 'interface' : 'class';
    const head = [...modifiers, kind, node.name.text + parameters, ...clauses.map((clause) => this.text(clause))];
    const body = [...own.sort(byName), ...inherited].map(({ text }) => text);
    return `${head.join(' ')} {\n${body.join('\n')}\n}`;
  }

  member(node) {
    return (isDeprecated(node) ? '/** @deprecated */\n' : '') + this.text(node);
  }

  /** Members of a base that is not exported and has no declaration in code: an expression, or a computed type. */
  computedMembers(base) {
    const symbol = this.target(this.checker.getSymbolAtLocation(base.expression));
    if (!this.isHidden(symbol)) return [];
    if (symbol.flags & ts.SymbolFlags.TypeAlias) {
      return this.properties(this.checker.getTypeAtLocation(base).getProperties());
    }
    if (!(symbol.flags & ts.SymbolFlags.Variable)) return [];
    const statics = this.checker.getTypeOfSymbol(symbol).getProperties();
    const rows = this.properties(statics.filter(({ name }) => name !== 'prototype'));
    return rows.map(({ name, text }) => ({ name: asStatic(name), text: `static ${text}` }));
  }

  properties(symbols) {
    const row = (symbol) => {
      const isReadonly = ts.getCheckFlags(symbol) & ts.CheckFlags.Readonly;
      const isOptional = symbol.flags & ts.SymbolFlags.Optional;
      const type = this.typeText(this.checker.getTypeOfSymbol(symbol));
      return {
        name: symbol.name,
        text: `${isReadonly ? 'readonly ' : ''}${symbol.name}${isOptional ? '?' : ''}: ${type};`,
      };
    };
    return symbols.sort(byName).map(row);
  }

  typeText(type) {
    return withoutPaths(this.checker.typeToString(type, this.file, FORMAT));
  }

  /** Whether the type is the result of a computation on something that users cannot name. */
  isComputed(node) {
    const kinds = [ts.SyntaxKind.MappedType, ts.SyntaxKind.TypeOperator, ts.SyntaxKind.IndexedAccessType];
    if (kinds.includes(node.kind) && this.names(node).some(({ target }) => this.isHidden(target))) return true;
    return ts.forEachChild(node, (child) => this.isComputed(child)) ?? false;
  }

  computed(node) {
    const type = this.checker.getTypeAtLocation(node.name);
    const rows = () => this.properties(type.getProperties()).map(({ text }) => text);
    const text = type.flags & ts.TypeFlags.Object ? `{\n${rows().join('\n')}\n}` : this.typeText(type);
    return `type ${node.name.text} = ${text};`;
  }

  /** The declarations of files that a node names, each with the symbol by which it is named there. */
  names(node) {
    const found = [];
    const visit = (one) => {
      const symbol = ts.isIdentifier(one) ? this.checker.getSymbolAtLocation(one) : undefined;
      const target = symbol && this.target(symbol);
      if (target?.declarations?.some(isTopLevel)) found.push({ symbol, target });
      ts.forEachChild(one, visit);
    };
    visit(node);
    return found;
  }

  noteNames(node) {
    for (const { symbol, target } of this.names(node)) {
      const origin = originOf(symbol);
      if (!this.isOwn(target) && origin) this.imports.set(symbol.name, origin);
      // Classes appear in constructors that only Nest calls, so their members do not concern applications
      if (this.isHidden(target) && !(target.flags & ts.SymbolFlags.Class)) this.unexported.add(target);
    }
  }
}
