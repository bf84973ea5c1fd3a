#!/usr/bin/env python3
"""Makes C of openapi.yaml: generate.py openapi.yaml OUTDIR

  schemas.h/.c     what server/model/decode.c walks: every schema of a request
  operations.h/.c  the route table: every operation, tied to its handler
  document.h/.c    the document itself as JSON, for /openapi.json

The document is the truth, so what it says of a request must be enforced: a keyword the decoder
does not know, a string, number or list without bounds, a pattern without a checker, an operation
without a scope or an example, and an example that breaks its own schema are errors, with the
place. Answers are not decoded, so their schemas are free.
"""
import hashlib
import json
import re
import sys
from pathlib import Path

import yaml

# Patterns and the checker of server/model/decode_formats.c that does exactly the same.
FORMATS = {
    r'^[^\u0000]*$': 'TEXT',
    r'^[A-Za-z0-9][A-Za-z0-9._-]*$': 'NAME',
    r'^[A-Za-z0-9][A-Za-z0-9._/-]*$': 'LABEL_KEY',
    r'^[A-Za-z0-9._:@/+-]*$': 'LABEL_VALUE',
    r'^[A-Za-z0-9][A-Za-z0-9._/-]*(=[A-Za-z0-9._:@/+-]*)?$': 'LABEL_FILTER',
    r'^[A-Za-z_][A-Za-z0-9_]*$': 'ENV_NAME',
    r'^[!-~]+$': 'VISIBLE',
    r'^[!-~]([ -~]*[!-~])?$': 'PRINTABLE',
    r'^/[^\u0000]*$': 'PATH',
    r'^[A-Za-z0-9_-]+$': 'CURSOR',
    r'^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$': 'UUID',
    r'^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3])'
    r':[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$': 'DATE_TIME',
    r'^([0-9]+|[0-9]+d([0-9]+h)?([0-9]+m)?([0-9]+s)?|[0-9]+h([0-9]+m)?([0-9]+s)?|[0-9]+m([0-9]+s)?'
    r'|[0-9]+s|[0-9]+:[0-9]+(:[0-9]+)?|[0-9]+-[0-9]+(:[0-9]+(:[0-9]+)?)?)$': 'DURATION',
    r'^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([kMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$': 'QUANTITY',
    r'^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(m|[eE][+-]?[0-9]+)?$': 'CPUS',
    r'^[0-9]+(-[0-9]+(:[0-9]+)?)?(,[0-9]+(-[0-9]+(:[0-9]+)?)?)*$': 'INDICES',
    r'^(all|[0-9]+(-[0-9]+(:[0-9]+)?)?(,[0-9]+(-[0-9]+(:[0-9]+)?)?)*)$': 'INDICES_OR_ALL',
}
# `format` is a word for what the pattern already says.
FORMAT_WORDS = {'UUID': 'uuid', 'DATE_TIME': 'date-time'}
# The unions, by the types of their parts and the format of the text; None: it is an enum.
UNIONS = {('INTEGER', 'STRING', 'DURATION'): 'DURATION',
          ('INTEGER', 'STRING', 'QUANTITY'): 'QUANTITY',
          ('NUMBER', 'STRING', 'CPUS'): 'CPUS',
          ('INTEGER', 'STRING', None): 'STRING_OR_INTEGER',
          ('BOOLEAN', 'NUMBER', 'STRING', 'TEXT'): 'SCALAR'}
NOTES = {'description', 'examples'}
# x-default is that of an object or a union: of `default` generators of clients make code that does
# not compile.
PRESETS = {'default', 'x-default'}
KEYWORDS = {
    'object': {'properties', 'required', 'additionalProperties', 'propertyNames', 'minProperties',
               'maxProperties'},
    'array': {'items', 'minItems', 'maxItems'},
    'string': {'minLength', 'maxLength', 'pattern', 'format', 'enum'},
    'integer': {'minimum', 'maximum'},
    'number': {'minimum', 'maximum'},
    'boolean': set(),
}
TEXTS = ('text/x-shellscript', 'application/yaml')
MEDIA = ('application/json', 'application/x-ndjson', *TEXTS)
METHODS = ('get', 'put', 'post', 'delete', 'patch')
ACCESS = {'public': 'PUBLIC', 'jobs:read': 'READ', 'jobs:write': 'WRITE'}
MAX_MEMBERS = 64  # the decoder keeps the members it met as bits
MAX_EXACT = 2**53


class Refused(Exception):
    """The document says something that would not be true."""


def refuse(where, message):
    raise Refused(f'{where}: {message}')


MERGE = 'tag:yaml.org,2002:merge'  # "<<: *anchor"


class Loader(yaml.SafeLoader):
    """YAML as JSON has it: no dates, no duplicate names."""

    def construct_mapping(self, node, deep=False):
        names = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != MERGE]
        for name in names:
            if not isinstance(name, str):
                refuse(f'line {node.start_mark.line + 1}', f'{name!r} is no text; quote it')
            if names.count(name) > 1:
                refuse(f'line {node.start_mark.line + 1}', f'{name!r} stands twice')
        return super().construct_mapping(node, deep)


Loader.yaml_implicit_resolvers = {
    first: [(tag, expr) for tag, expr in resolvers if tag != 'tag:yaml.org,2002:timestamp']
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def resolve(doc, node, where):
    """Follows $ref; what stands beside it wins, as in OpenAPI 3.1. Returns node and its home."""
    while '$ref' in node:
        home = node['$ref']
        if not home.startswith('#/'):
            refuse(where, f'cannot follow {home}')
        target = doc
        for part in home[2:].split('/'):
            target = target.get(part) if isinstance(target, dict) else None
        if target is None:
            refuse(where, f'{home} does not exist')
        node = {**target, **{k: v for k, v in node.items() if k != '$ref'}}
        where = home
    return node, where


# ---- schemas of requests ---------------------------------------------------------------


class Schemas:
    """Turns request schemas into tables, each named once."""

    def __init__(self, doc):
        self.doc = doc
        self.tables = {}  # C name -> fields of struct gw_schema, as Python values

    def add(self, node, where, name):
        """The C name of the table for a schema; `name` is used unless it is a shared one."""
        node, home = resolve(self.doc, node, where)
        shared = re.fullmatch(r'#/components/schemas/(\w+)', home)
        name = f'gw_schema_{shared.group(1) if shared else name}'
        if name not in self.tables:
            self.tables[name] = None  # a schema that contains itself ends here
            self.tables[name] = self.table(node, home, name.removeprefix('gw_schema_'))
        if self.tables[name] is None:
            refuse(where, 'recursive schemas are not enforced')
        return name

    def table(self, node, where, name):
        if 'anyOf' in node:
            return self.union(node, where)
        kind = node.get('type')
        if not isinstance(kind, str) or kind not in KEYWORDS:
            refuse(where, f'type {kind!r} is not enforced')
        for keyword in node.keys() - KEYWORDS[kind] - NOTES - PRESETS - {'type'}:
            refuse(f'{where}/{keyword}', f'not enforced for {kind}')
        return getattr(self, kind)(node, where, name)

    def union(self, node, where):
        for keyword in node.keys() - NOTES - {'anyOf', 'x-default'}:
            refuse(f'{where}/{keyword}', 'not enforced beside anyOf')
        parts = [self.table(part, f'{where}/anyOf/{i}', '') for i, part in enumerate(node['anyOf'])]
        merged = {key: value for part in parts for key, value in part.items()}
        union = UNIONS.get((*sorted(part['type'] for part in parts), merged.get('format')))
        if not union:
            refuse(f'{where}/anyOf', 'not one of the known unions')
        return {**merged, 'type': union}

    def bounds(self, node, where, lowest, highest, need=True):
        lo, hi = node.get(lowest), node.get(highest)
        if hi is None and need:
            refuse(where, f'{highest} is missing')
        if lo is not None and hi is not None and lo > hi:
            refuse(where, f'{lowest} is above {highest}')
        return (lo or 0), hi

    def string(self, node, where, _name):
        if 'enum' in node:
            if node.keys() - NOTES - {'type', 'enum', 'default'}:
                refuse(where, 'an enum needs no other keyword')
            return {'type': 'STRING', 'values': node['enum']}
        fmt = FORMATS.get(node.get('pattern'))
        if fmt is None:
            refuse(f'{where}/pattern', f'no checker for {node.get("pattern")!r}')
        if node.get('format') != FORMAT_WORDS.get(fmt):
            refuse(f'{where}/format', f'{node.get("format")!r} does not go with this pattern')
        lo, hi = self.bounds(node, where, 'minLength', 'maxLength')
        return {'type': 'STRING', 'format': fmt, 'min_len': lo, 'max_len': hi}

    def integer(self, node, where, _name):
        if 'minimum' not in node:
            refuse(where, 'minimum is missing')
        lo, hi = self.bounds(node, where, 'minimum', 'maximum')
        if max(-lo, hi) > MAX_EXACT or (node['type'] == 'integer' and any(
                not isinstance(n, int) for n in (lo, hi))):
            refuse(where, 'bounds must be exact')
        return {'type': node['type'].upper(), 'lo': lo, 'hi': hi}

    number = integer

    def boolean(self, _node, _where, _name):
        return {'type': 'BOOLEAN'}

    def array(self, node, where, name):
        lo, hi = self.bounds(node, where, 'minItems', 'maxItems')
        return {'type': 'ARRAY', 'min_len': lo, 'max_len': hi,
                'item': self.add(node.get('items', {}), f'{where}/items', f'{name}_item')}

    def free(self, node, where):
        """An object that is somebody else's to check. Names and depth are bounded as of all JSON."""
        for keyword in ('properties', 'required', 'propertyNames'):
            if keyword in node:
                refuse(f'{where}/{keyword}', 'not enforced of a free object')
        lo, hi = self.bounds(node, where, 'minProperties', 'maxProperties')
        return {'type': 'FREE', 'min_len': lo, 'max_len': hi}

    def object(self, node, where, name):
        extra = node.get('additionalProperties')
        if extra is True:
            return self.free(node, where)
        if isinstance(extra, dict):
            for keyword in ('properties', 'required'):
                if keyword in node:
                    refuse(f'{where}/{keyword}', 'not enforced beside additionalProperties')
            lo, hi = self.bounds(node, where, 'minProperties', 'maxProperties')
            names = {**node.get('propertyNames', {}), 'type': 'string'}
            return {'type': 'MAP', 'min_len': lo, 'max_len': hi,
                    'names': self.add(names, f'{where}/propertyNames', f'{name}_name'),
                    'item': self.add(extra, f'{where}/additionalProperties', f'{name}_value')}
        if extra is not False or 'propertyNames' in node:
            refuse(where, 'an object is closed (additionalProperties: false), a map or free')
        if 'default' in node:
            refuse(f'{where}/default', 'of an object it is x-default')
        lo, hi = self.bounds(node, where, 'minProperties', 'maxProperties', need=False)
        members = node.get('properties', {})
        if not 0 < len(members) <= MAX_MEMBERS:
            refuse(f'{where}/properties', f'1 to {MAX_MEMBERS} members')
        for required in set(node.get('required', [])) - members.keys():
            refuse(f'{where}/required', f'{required} is no property')
        return {'type': 'OBJECT', 'min_len': lo, 'max_len': len(members) if hi is None else hi,
                'members': [self.member(m, members[m], f'{where}/properties/{m}', f'{name}_{m}',
                                        m in node.get('required', [])) for m in sorted(members)]}

    def member(self, key, node, where, name, required):
        resolved = resolve(self.doc, node, where)[0]
        default = resolved.get('default', resolved.get('x-default'))
        table = self.add(node, where, name)
        if default is not None:
            self.check(table, default, f'{where}/default')
            if required:
                refuse(f'{where}/default', 'a required value has no default')
        return {'name': key, 'schema': table, 'preset': default, 'required': required}

    def check(self, name, value, where):
        """Refuses an example or a default that breaks its schema."""
        table = self.tables[name]
        text, number = isinstance(value, str), type(value) in (int, float)
        whole = number and float(value).is_integer()
        kind = table['type']
        good = {'OBJECT': isinstance(value, dict), 'MAP': isinstance(value, dict),
                'FREE': isinstance(value, dict),
                'ARRAY': isinstance(value, list), 'STRING': text, 'BOOLEAN': isinstance(value, bool),
                'INTEGER': whole, 'NUMBER': number, 'CPUS': number or text,
                'SCALAR': isinstance(value, (str, int, float))}.get(kind, whole or text)
        if not good:
            refuse(where, f'{value!r} is not of type {kind}')
        if number and not table['lo'] <= value <= table['hi']:
            refuse(where, f'{value!r} is out of bounds')
        if text and 'values' in table and value not in table['values']:
            refuse(where, f'{value!r} is not one of the enum')
        if text and 'format' in table:
            pattern = next(p for p, f in FORMATS.items() if f == table['format'])
            if not re.fullmatch(pattern, value):
                refuse(where, f'{value!r} does not match the pattern')
        if 'max_len' in table and not isinstance(value, (int, float)) and not (
                table['min_len'] <= len(value) <= table['max_len']):
            refuse(where, f'{value!r} has the wrong length')
        self.check_inside(table, value, where)

    def check_inside(self, table, value, where):
        if table['type'] == 'ARRAY':
            for i, item in enumerate(value):
                self.check(table['item'], item, f'{where}/{i}')
        elif table['type'] == 'MAP':
            for key, item in value.items():
                self.check(table['names'], key, f'{where}/{key}')
                self.check(table['item'], item, f'{where}/{key}')
        elif table['type'] == 'OBJECT':
            members = {m['name']: m for m in table['members']}
            for key in value.keys() - members.keys():
                refuse(f'{where}/{key}', 'unknown member')
            for key, member in members.items():
                if key in value:
                    self.check(member['schema'], value[key], f'{where}/{key}')
                elif member['required']:
                    refuse(f'{where}/{key}', 'missing')


# ---- operations -------------------------------------------------------------------------


def examples_of(node):
    if 'example' in node:
        return [node['example']]
    return [e.get('value') for e in node.get('examples', {}).values()]


def read_parameter(doc, schemas, node, where, operation):
    node, home = resolve(doc, node, where)
    for keyword in node.keys() - {'name', 'in', 'required', 'description', 'schema', 'example',
                                  'style', 'explode'}:
        refuse(f'{home}/{keyword}', 'not enforced for a parameter')
    shared = re.fullmatch(r'#/components/parameters/(\w+)', home)
    label = shared.group(1) if shared else f'{operation}_{node["name"]}'
    required = node.get('required', False)
    entry = schemas.member(node['name'], node['schema'], f'{home}/schema', f'parameter_{label}',
                           required)
    table = schemas.tables[entry['schema']]
    item = schemas.tables[table['item']] if table['type'] == 'ARRAY' else table
    if item['type'] not in ('STRING', 'INTEGER', 'BOOLEAN'):
        refuse(f'{home}/schema', f'no text stands for {item["type"]}')
    if (table['type'] == 'ARRAY') != (node.get('explode') is False and node['in'] == 'query'):
        refuse(home, 'an array, and only that, is a query parameter with explode: false')
    if 'example' in node:
        schemas.check(entry['schema'], node['example'], f'{home}/example')
    return {**entry, 'in': node['in']}


def read_media(schemas, kind, content, where, operation):
    """One type of body. Of lines the document can only say that they are text: x-lines is the
    schema of each, and they have a handler of their own, which is given them as they arrive.
    A text is a string as it is."""
    lines = kind == 'application/x-ndjson'
    if lines and 'x-lines' not in content:
        refuse(where, 'x-lines is missing')
    member = 'x-lines' if lines else 'schema'
    table = schemas.add(content[member], f'{where}/{member}', f'{operation}_body')
    text = kind in TEXTS
    if text and schemas.tables[table]['type'] != 'STRING':
        refuse(f'{where}/schema', 'of a text is a string')
    if not examples_of(content):
        refuse(where, 'an example is missing')
    for i, example in enumerate(examples_of(content)):
        for value in map(json.loads, example.splitlines()) if lines else [example]:
            schemas.check(table, value, f'{where}/example {i}')
    return {'type': kind, 'schema': table, 'text': text,
            'lines': f'gw_route_{operation}Lines' if lines else None}


def read_body(doc, schemas, node, where, operation):
    media = []
    body, home = resolve(doc, node.get('requestBody', {'content': {}}), f'{where}/requestBody')
    for kind, content in body['content'].items():
        here = f'{home}/content/{kind}'
        if kind not in MEDIA:
            refuse(here, 'no decoder for this type')
        media.append(read_media(schemas, kind, content, here, operation))
    return media, body.get('required', False)


def check_answers(doc, node, where):
    for status, answer in node.get('responses', {}).items():
        answer, home = resolve(doc, answer, f'{where}/responses/{status}')
        if not re.fullmatch(r'[1-5][0-9][0-9]', status):
            refuse(f'{where}/responses/{status}', 'name the status precisely')
        for kind, content in answer.get('content', {}).items():
            if not examples_of(content):
                refuse(f'{home}/content/{kind}', 'an example is missing')


def read_operation(doc, schemas, path, method, shared, node):
    where = f'#/paths/{path}/{method}'
    for keyword in ('operationId', 'summary', 'tags', 'x-scope', 'responses'):
        if keyword not in node:
            refuse(where, f'{keyword} is missing')
    name, scope = node['operationId'], node['x-scope']
    if not re.fullmatch(r'[a-z][A-Za-z0-9]*', name):
        refuse(f'{where}/operationId', 'letters and digits only')
    if scope not in ACCESS:
        refuse(f'{where}/x-scope', f'{scope!r} is none of {", ".join(ACCESS)}')
    if (node.get('security') == []) != (scope == 'public'):
        refuse(f'{where}/security', 'is [] exactly where x-scope is public')
    parameters = [read_parameter(doc, schemas, p, f'{where}/parameters/{i}', name)
                  for i, p in enumerate(shared + node.get('parameters', []))]
    in_path = {p['name']: p for p in parameters if p['in'] == 'path'}
    in_template = re.findall(r'\{(\w+)\}', path)
    if sorted(in_path) != sorted(in_template) or not all(p['required'] for p in in_path.values()):
        refuse(where, 'path parameters and template differ')
    media, required = read_body(doc, schemas, node, where, name)
    check_answers(doc, node, where)
    return {'id': name, 'method': method.upper(), 'path': path, 'access': ACCESS[scope],
            'query': sorted((p for p in parameters if p['in'] == 'query'), key=lambda p: p['name']),
            'headers': [p for p in parameters if p['in'] == 'header'],
            'names': [in_path[n] for n in in_template], 'media': media, 'required': required}


def read_operations(doc, schemas):
    operations = []
    for path, item in doc['paths'].items():
        for keyword in item.keys() - set(METHODS) - {'parameters'}:
            refuse(f'#/paths/{path}/{keyword}', 'is no method')
        operations += [read_operation(doc, schemas, path, method, item.get('parameters', []),
                                      item[method]) for method in METHODS if method in item]
    ids = [o['id'] for o in operations]
    for name in ids:
        if ids.count(name) > 1:
            refuse(f'operationId {name}', 'stands twice')
    return operations


# ---- C ----------------------------------------------------------------------------------

NOTE = '/* Made from openapi/openapi.yaml by openapi/generate.py: change those. */\n'


def quote(text):
    """A C string literal of the text's UTF-8."""
    out = []
    for byte in text.encode():
        char = chr(byte)
        out.append('\\' + char if char in '"\\' else char if ' ' <= char <= '~' and char != '?'
                   else f'\\{byte:03o}')
    return '"' + ''.join(out) + '"'


def minified(value):
    return json.dumps(value, ensure_ascii=False, separators=(',', ':'))


def member_row(m):
    preset = 'NULL' if m['preset'] is None else quote(minified(m['preset']))
    return f'        {{{quote(m["name"])}, &{m["schema"]}, {preset}, {str(m["required"]).lower()}}},\n'


def schema_source(tables):
    out = [NOTE, '#include "openapi/schemas.h"\n']
    for name, table in tables.items():
        fields = [f'.type = GW_SCHEMA_{table["type"]}']
        if 'format' in table:
            fields.append(f'.format = GW_FORMAT_{table["format"]}')
        fields += [f'.{key} = {table[key]}' for key in ('lo', 'hi', 'min_len', 'max_len')
                   if key in table]
        fields += [f'.{key} = &{table[key]}' for key in ('item', 'names') if key in table]
        if 'values' in table:
            values = ''.join(f'{quote(v)}, ' for v in table['values'])
            out.append(f'\nstatic const char *const {name}_values[] = {{{values}NULL}};')
            fields.append(f'.values = {name}_values')
        if 'members' in table:
            rows = ''.join(member_row(m) for m in table['members'])
            out.append(f'\nstatic const struct gw_member {name}_members[] = {{\n{rows}}};')
            fields += [f'.members = {name}_members', f'.member_count = {len(table["members"])}']
        out.append(f'\nconst struct gw_schema {name} = {{{", ".join(fields)}}};\n')
    return ''.join(out)


def schema_header(tables):
    rows = ''.join(f'extern const struct gw_schema {name};\n' for name in tables)
    return (f'{NOTE}#ifndef GW_OPENAPI_SCHEMAS_H\n#define GW_OPENAPI_SCHEMAS_H\n\n'
            f'#include "server/model/decode.h"\n\n{rows}\n#endif\n')


def operation_header(operations):
    ids = ''.join(f'        GW_OP_{o["id"]},\n' for o in operations)
    handlers = [f'gw_route_{o["id"]}' for o in operations]
    handlers += [m['lines'] for o in operations for m in o['media'] if m['lines']]
    routes = ''.join(f'extern const struct gw_handler {name};\n' for name in handlers)
    return (f'{NOTE}#ifndef GW_OPENAPI_OPERATIONS_H\n#define GW_OPENAPI_OPERATIONS_H\n\n'
            '#include "routes/operation.h"\n\n/* Indexes of gw_operations. */\n'
            f'enum gw_operation_id {{\n{ids}        GW_OP_COUNT\n}};\n\n{routes}\n#endif\n')


def operation_tables(o):
    """The arrays of one operation, and the initialisers that name them."""
    out, fields = [], []

    def array(field, count, kind, rows):
        if rows:
            out.append(f'\nstatic const {kind} {field}_{o["id"]}[] = {{\n{"".join(rows)}}};')
            fields.append(f'.{field} = {field}_{o["id"]}')
            fields.extend([f'.{count} = {len(rows)}'] if count else [])

    array('query', 'query_count', 'struct gw_parameter', [member_row(p) for p in o['query']])
    array('headers', 'header_count', 'struct gw_parameter', [member_row(p) for p in o['headers']])
    array('path_names', 'path_count', 'char *const',
          [f'        {quote(p["name"])},\n' for p in o['names']])
    array('path_schemas', None, 'struct gw_schema *const',
          [f'        &{p["schema"]},\n' for p in o['names']])
    array('media', 'media_count', 'struct gw_media',
          [f'        {{{quote(m["type"])}, &{m["schema"]}, {str(m["text"]).lower()}, '
           f'{"&" + m["lines"] if m["lines"] else "NULL"}}},\n' for m in o['media']])
    return ''.join(out), fields


def operation_source(operations):
    out = [NOTE, '#include "openapi/operations.h"\n#include "openapi/schemas.h"\n']
    rows = []
    for o in operations:
        arrays, fields = operation_tables(o)
        out.append(arrays)
        fields = [f'.id = {quote(o["id"])}', f'.method = {quote(o["method"])}',
                  f'.path = {quote(o["path"])}', f'.access = GW_ACCESS_{o["access"]}', *fields,
                  f'.body_required = {str(o["required"]).lower()}',
                  f'.handler = &gw_route_{o["id"]}']
        rows.append(f'        [GW_OP_{o["id"]}] = {{{", ".join(fields)}}},\n')
    out.append(f'\n\nconst struct gw_operation gw_operations[] = {{\n{"".join(rows)}}};\n'
               f'const size_t gw_operation_count = {len(operations)};\n')
    return ''.join(out)


def document_source(text):
    lines = ''.join(f'\n        {quote(text[i:i + 80])}' for i in range(0, len(text), 80))
    etag = hashlib.sha256(text.encode()).hexdigest()
    return (f'{NOTE}#include "openapi/document.h"\n\nconst char gw_openapi_json[] ={lines};\n'
            f'const size_t gw_openapi_json_len = {len(text.encode())};\n'
            f'const char gw_openapi_etag[] = "\\"{etag}\\"";\n')


DOCUMENT_HEADER = NOTE + '''#ifndef GW_OPENAPI_DOCUMENT_H
#define GW_OPENAPI_DOCUMENT_H

#include <stddef.h>

/* The contract as minified JSON, its length without the NUL, and its ETag with the quotes. */
extern const char gw_openapi_json[];
extern const size_t gw_openapi_json_len;
extern const char gw_openapi_etag[];

#endif
'''


def generate(text):
    """The generated files by name."""
    doc = yaml.load(text, Loader)  # a SafeLoader
    schemas = Schemas(doc)
    operations = read_operations(doc, schemas)
    return {'schemas.h': schema_header(schemas.tables),
            'schemas.c': schema_source(schemas.tables),
            'operations.h': operation_header(operations),
            'operations.c': operation_source(operations),
            'document.h': DOCUMENT_HEADER,
            'document.c': document_source(minified(doc))}


def main(source, folder):
    try:
        files = generate(Path(source).read_text(encoding='utf-8'))
    except (Refused, yaml.YAMLError) as error:
        print(f'{source}: {error}', file=sys.stderr)
        return 1
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (Path(folder) / name).write_text(content, encoding='utf-8')
    return 0


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
