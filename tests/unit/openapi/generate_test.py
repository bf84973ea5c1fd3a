"""openapi/generate.py: what it makes of the contract, and that it refuses what nothing enforces."""
import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / 'openapi' / 'openapi.yaml'
sys.path.insert(0, str(SOURCE.parent))

import generate  # noqa: E402

DOCUMENT = yaml.load(SOURCE.read_text(encoding='utf-8'), generate.Loader)


def small(schema=None, **operation):
    """A document of one operation with one body."""
    post = {
        'operationId': 'makeThing', 'summary': 's', 'tags': ['t'], 'x-scope': 'jobs:write',
        'requestBody': {'content': {'application/json': {
            'schema': schema or {'$ref': '#/components/schemas/Thing'}, 'example': {}}}},
        'responses': {'200': {'description': 'd', 'content': {
            'application/json': {'schema': {}, 'example': {}}}}},
    }
    post.update(operation)
    return {'openapi': '3.1.0', 'paths': {'/things': {'post': post}},
            'components': {'schemas': {'Thing': closed(a={'type': 'boolean'})}}}


def closed(**properties):
    return {'type': 'object', 'additionalProperties': False, 'properties': properties}


def make(doc):
    return generate.generate(json.dumps(doc))


def refused(doc, *words):
    with pytest.raises(generate.Refused) as error:
        make(doc)
    for word in words:
        assert word in str(error.value)


NAME = '^[A-Za-z0-9][A-Za-z0-9._-]*$'
STRING = {'type': 'string', 'maxLength': 5, 'pattern': NAME}


def test_the_contract_is_accepted_and_the_output_is_the_same_each_time():
    text = SOURCE.read_text(encoding='utf-8')
    assert generate.generate(text) == generate.generate(text)


def test_the_small_document_is_accepted():
    files = make(small())
    assert 'GW_OP_makeThing' in files['operations.h']
    assert 'extern const struct gw_handler gw_route_makeThing;' in files['operations.h']
    assert 'extern const struct gw_schema gw_schema_Thing;' in files['schemas.h']


@pytest.mark.parametrize('keyword, value', [
    ('multipleOf', 2), ('exclusiveMinimum', 0), ('exclusiveMaximum', 9), ('const', 1), ('enum', [1]),
    ('not', {}), ('oneOf', []), ('allOf', []), ('if', {}), ('format', 'int32'), ('nullable', True),
    ('pattern', NAME), ('title', 'x'), ('deprecated', True), ('minLength', 1)])
def test_unknown_keywords_of_numbers(keyword, value):
    number = {'type': 'integer', 'minimum': 0, 'maximum': 9, keyword: value}
    refused(small(closed(n=number)), '/properties/n', keyword)


@pytest.mark.parametrize('keyword, value', [
    ('contentEncoding', 'base64'), ('const', 'x'), ('minimum', 1), ('oneOf', []), ('format', 'uuid'),
    ('format', 'date-time'), ('contentMediaType', 'text/plain'), ('default', 'not a name')])
def test_unknown_keywords_of_strings(keyword, value):
    refused(small(closed(s={**STRING, keyword: value})), '/properties/s')


@pytest.mark.parametrize('keyword, value', [
    ('patternProperties', {}), ('dependentRequired', {}), ('unevaluatedProperties', False),
    ('oneOf', []), ('anyOf', []), ('not', {}), ('dependentSchemas', {})])
def test_unknown_keywords_of_objects(keyword, value):
    refused(small({**closed(a={'type': 'boolean'}), keyword: value}))


@pytest.mark.parametrize('keyword, value', [
    ('uniqueItems', True), ('prefixItems', []), ('contains', {}), ('minContains', 1)])
def test_unknown_keywords_of_arrays(keyword, value):
    array = {'type': 'array', 'maxItems': 3, 'items': {'type': 'boolean'}, keyword: value}
    refused(small(closed(a=array)), '/properties/a', keyword)


@pytest.mark.parametrize('schema, words', [
    ({'type': 'string', 'pattern': NAME}, 'maxLength is missing'),
    ({'type': 'string', 'maxLength': 5}, 'no checker'),
    ({'type': 'string', 'maxLength': 5, 'pattern': '^a$'}, 'no checker'),
    ({'type': 'string', 'maxLength': 5, 'minLength': 6, 'pattern': NAME}, 'above'),
    ({'type': 'string', 'enum': ['a'], 'maxLength': 5}, 'no other keyword'),
    ({'type': 'integer', 'minimum': 0}, 'maximum is missing'),
    ({'type': 'integer', 'maximum': 0}, 'minimum is missing'),
    ({'type': 'integer', 'minimum': 0, 'maximum': 2**60}, 'exact'),
    ({'type': 'integer', 'minimum': 0, 'maximum': 1.5}, 'exact'),
    ({'type': 'array', 'items': {'type': 'boolean'}}, 'maxItems is missing'),
    ({'type': 'array', 'maxItems': 2}, 'type None'),
    ({'type': ['string', 'null']}, 'not enforced'),
    ({'type': 'null'}, 'not enforced'),
    ({}, 'not enforced'),
    ({'type': 'object'}, 'closed'),
    ({'type': 'object', 'additionalProperties': True}, 'maxProperties is missing'),
    ({'type': 'object', 'additionalProperties': True, 'maxProperties': 2, 'required': ['a']}, 'free object'),
    ({'type': 'object', 'additionalProperties': STRING}, 'maxProperties is missing'),
    ({'type': 'object', 'additionalProperties': False}, 'members'),
    ({**closed(a={'type': 'boolean'}), 'required': ['b']}, 'b is no property'),
    ({'anyOf': [{'type': 'boolean'}, STRING]}, 'unions'),
    ({'anyOf': [STRING, STRING]}, 'unions'),
    ({'anyOf': [{'type': 'integer', 'minimum': 0, 'maximum': 9}, STRING]}, 'unions'),
    ({'anyOf': [{'type': 'integer', 'minimum': 0, 'maximum': 9}], 'type': 'integer'}, 'beside anyOf'),
    ({'$ref': '#/components/schemas/Nothing'}, 'does not exist'),
    ({'$ref': 'other.yaml#/Thing'}, 'cannot follow'),
])
def test_schemas_without_bounds_or_checkers(schema, words):
    refused(small(closed(a=schema)), words)


TEXT = {'type': 'string', 'maxLength': 5, 'pattern': r'^[^\u0000]*$'}
SCALAR = {'anyOf': [TEXT, {'type': 'number', 'minimum': -1, 'maximum': 9}, {'type': 'boolean'}]}


def test_a_map_of_lists_of_scalars():
    lists = {'type': 'array', 'maxItems': 3, 'items': SCALAR}
    source = make(small(closed(m={'type': 'object', 'maxProperties': 2, 'propertyNames': STRING,
                                  'additionalProperties': lists})))['schemas.c']
    assert ('.type = GW_SCHEMA_SCALAR, .format = GW_FORMAT_TEXT, .lo = -1, .hi = 9, '
            '.min_len = 0, .max_len = 5') in source
    assert '.type = GW_SCHEMA_MAP, .min_len = 0, .max_len = 2, .item = &' in source


def test_a_free_object():
    source = make(small(closed(f={'type': 'object', 'additionalProperties': True, 'maxProperties': 2})))['schemas.c']
    assert '.type = GW_SCHEMA_FREE, .min_len = 0, .max_len = 2}' in source


def test_the_default_of_an_object_is_no_default_to_generators_of_clients():
    refused(small(closed(o={**closed(a={'type': 'boolean'}), 'default': {}})), 'x-default')
    files = make(small(closed(o={**closed(a={'type': 'boolean'}), 'x-default': {}})))
    assert '{"o", &gw_schema_makeThing_body_o, "{}", false}' in files['schemas.c']


@pytest.mark.parametrize('value, words', [
    ('', None), ('abcde', None), (0.5, None), (9, None), (True, None),
    ('abcdef', 'wrong length'), (10, 'out of bounds'), ([], 'not of type SCALAR')])
def test_defaults_of_a_scalar(value, words):
    doc = small(closed(v={**SCALAR, 'x-default': value}))
    if words:
        refused(doc, words)
    else:
        make(doc)


def test_recursion():
    doc = small()
    doc['components']['schemas']['Thing'] = closed(again={'$ref': '#/components/schemas/Thing'})
    refused(doc, 'recursive')


def test_too_many_members():
    members = {f'm{i}': {'type': 'boolean'} for i in range(generate.MAX_MEMBERS + 1)}
    refused(small(closed(**members)), 'members')
    members.popitem()
    make(small(closed(**members)))


@pytest.mark.parametrize('change, words', [
    ({'operationId': None}, 'operationId is missing'), ({'x-scope': None}, 'x-scope is missing'),
    ({'summary': None}, 'summary is missing'), ({'tags': None}, 'tags is missing'),
    ({'responses': None}, 'responses is missing'),
    ({'x-scope': 'jobs:all'}, 'jobs:all'), ({'x-scope': 'public'}, 'security'),
    ({'security': []}, 'security'), ({'operationId': 'make-thing'}, 'letters and digits'),
    ({'responses': {'default': {'description': 'd'}}}, 'precisely'),
    ({'responses': {'200': {'content': {'text/plain': {'schema': {}}}}}}, 'example is missing'),
    ({'requestBody': {'content': {'text/plain': {'schema': STRING, 'example': 'x'}}}}, 'no decoder'),
    ({'requestBody': {'content': {'application/json': {
        'schema': closed(a={'type': 'boolean'})}}}}, 'example is missing'),
    ({'requestBody': {'content': {'application/json': {
        'schema': closed(a={'type': 'boolean'}), 'example': {'a': 1}}}}}, 'not of type BOOLEAN'),
    ({'requestBody': {'content': {'application/json': {
        'schema': closed(a={'type': 'boolean'}), 'example': {'b': True}}}}}, 'unknown member'),
])
def test_operations(change, words):
    doc = small(**change)
    operation = doc['paths']['/things']['post']
    for key in [k for k, v in operation.items() if v is None]:
        del operation[key]
    refused(doc, words)


@pytest.mark.parametrize('parameter, words', [
    ({'name': 'a', 'in': 'query', 'schema': closed(a={'type': 'boolean'})}, 'no text stands for'),
    ({'name': 'a', 'in': 'query', 'schema': {'type': 'number', 'minimum': 0, 'maximum': 1}},
     'no text stands for'),
    ({'name': 'a', 'in': 'query', 'schema': {'type': 'array', 'maxItems': 2, 'items': STRING}},
     'explode'),
    ({'name': 'a', 'in': 'query', 'explode': False, 'schema': STRING}, 'explode'),
    ({'name': 'a', 'in': 'query', 'allowReserved': True, 'schema': STRING}, 'allowReserved'),
    ({'name': 'a', 'in': 'query', 'schema': STRING, 'example': 'too long'}, 'does not match'),
    ({'name': 'id', 'in': 'path', 'required': True, 'schema': STRING}, 'template differ'),
])
def test_parameters(parameter, words):
    refused(small(parameters=[parameter]), words)


def test_a_path_parameter_must_be_documented():
    doc = small()
    doc['paths'] = {'/things/{id}': doc['paths']['/things']}
    refused(doc, 'template differ')


def test_an_operation_id_stands_once():
    doc = small()
    doc['paths']['/others'] = copy.deepcopy(doc['paths']['/things'])
    refused(doc, 'makeThing', 'twice')


@pytest.mark.parametrize('text, words', [
    ('a: 1\na: 2\n', "'a' stands twice"), ('on: 1\n', 'quote it'), ('1: 1\n', 'quote it')])
def test_yaml_that_is_no_json(text, words):
    with pytest.raises(generate.Refused, match=words):
        generate.generate(text)


def test_members_can_be_shared():
    shared = yaml.load('a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\n', generate.Loader)
    assert shared == {'a': {'x': 1, 'y': 2}, 'b': {'x': 1, 'y': 3}, 'c': {'x': 1, 'y': 2}}


def test_dates_stay_texts():
    assert yaml.load('2026-11-24', generate.Loader) == '2026-11-24'


def test_the_program(tmp_path):
    def run(source):
        return subprocess.run([sys.executable, ROOT / 'openapi' / 'generate.py', source,
                               tmp_path / 'out'], capture_output=True, text=True, check=False)
    bad = tmp_path / 'bad.yaml'
    bad.write_text(json.dumps(small(closed(a={'type': 'string'}))), encoding='utf-8')
    assert run(bad).returncode == 1
    assert '/properties/a' in run(bad).stderr
    assert not (tmp_path / 'out').exists()
    assert run(SOURCE).returncode == 0
    assert sorted(p.name for p in (tmp_path / 'out').iterdir()) == [
        'document.c', 'document.h', 'operations.c', 'operations.h', 'schemas.c', 'schemas.h']


# ---- the contract itself ----------------------------------------------------------------


def resolved(node):
    """A copy without references, for a validator that is given one schema at a time."""
    if isinstance(node, dict):
        node, _ = generate.resolve(DOCUMENT, node, '')
        return {k: resolved(v) for k, v in node.items()}
    return [resolved(v) for v in node] if isinstance(node, list) else node


def media_with_examples():
    for path, item in DOCUMENT['paths'].items():
        for method in generate.METHODS:
            operation = resolved(item.get(method, {}))
            bodies = [('request', operation.get('requestBody', {}))]
            bodies += operation.get('responses', {}).items()
            for status, body in bodies:
                for kind, content in body.get('content', {}).items():
                    yield pytest.param(content, id=f'{method} {path} {status} {kind}')


def shared_answers():
    for name, answer in DOCUMENT['components']['responses'].items():
        for kind, content in resolved(answer).get('content', {}).items():
            yield pytest.param(content, id=f'{name} {kind}')


@pytest.mark.parametrize('content', [*media_with_examples(), *shared_answers()])
def test_examples_satisfy_their_schemas(content):
    schema = resolved(content['schema'])
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    assert generate.examples_of(content)
    for example in generate.examples_of(content):
        validator.validate(example)


def test_each_problem_code_has_an_example():
    codes = set(DOCUMENT['components']['schemas']['Problem']['properties']['code']['enum'])
    shown = set(re.findall(r'\n +code: (\w+)', SOURCE.read_text(encoding='utf-8')))
    assert codes == shown


def test_each_problem_code_is_one_of_the_gateway():
    source = (ROOT / 'server' / 'base' / 'error.c').read_text(encoding='utf-8')
    known = set(re.findall(r'\[GW_ERR_\w+\] = "(\w+)"', source))
    assert known
    assert set(DOCUMENT['components']['schemas']['Problem']['properties']['code']['enum']) <= known


def test_problem_examples_agree_with_their_status():
    for name, answer in DOCUMENT['components']['responses'].items():
        statuses = {e.get('status') for c in answer.get('content', {}).values()
                    for e in generate.examples_of(c)}
        assert len(statuses) <= 1, name
    for path, item in DOCUMENT['paths'].items():
        for method in generate.METHODS:
            for status, answer in item.get(method, {}).get('responses', {}).items():
                answer, _ = generate.resolve(DOCUMENT, answer, '')
                for media, content in answer.get('content', {}).items():
                    for example in generate.examples_of(content):
                        if media == 'application/problem+json':
                            assert str(example['status']) == status, (path, method)


def test_protected_operations_can_answer_what_any_of_them_can():
    for path, item in DOCUMENT['paths'].items():
        for method in generate.METHODS:
            operation = item.get(method)
            if operation and operation['x-scope'] != 'public':
                assert {'400', '401', '403', '503'} <= operation['responses'].keys(), path
                body = {'413', '415'} & operation['responses'].keys()
                assert bool(body) == ('requestBody' in operation), path
                assert ('{id}' in path) <= ('404' in operation['responses']), path


def test_states_and_reasons_are_those_of_the_model():
    source = (ROOT / 'server' / 'model' / 'state.c').read_text(encoding='utf-8')
    known = set(re.findall(r'"(\w+)"', source))
    schemas = DOCUMENT['components']['schemas']
    assert set(schemas['State']['enum']) <= known
    assert {r for r in schemas['Reason']['enum'] if r} <= known
    assert set(schemas['RetryCause']['anyOf'][0]['enum']) <= known


def test_the_document_is_embedded_as_it_is():
    source = make(DOCUMENT)['document.c']
    literals = re.search(r'gw_openapi_json\[\] =(.*?);\n', source, re.S).group(1)
    text = ''.join(re.findall(r'"((?:[^"\\]|\\.)*)"\n?', literals))
    data = re.sub(rb'\\([0-7]{3})|\\(.)', lambda m: bytes([int(m[1], 8)]) if m[1] else m[2],
                  text.encode())
    assert json.loads(data) == DOCUMENT
    assert f'gw_openapi_json_len = {len(data)};' in source


def lined(**content):
    """A document of one operation whose body may also be lines."""
    doc = small()
    media = doc['paths']['/things']['post']['requestBody']['content']
    media['application/x-ndjson'] = {'schema': {'type': 'string'}, 'example': '{"a": true}\n{}\n',
                                     'x-lines': {'$ref': '#/components/schemas/Thing'}, **content}
    return doc


def test_lines_have_a_handler_of_their_own_and_a_table_for_each():
    files = make(lined())
    assert 'extern const struct gw_handler gw_route_makeThingLines;' in files['operations.h']
    assert '{"application/x-ndjson", &gw_schema_Thing, false, &gw_route_makeThingLines}' in files['operations.c']
    assert '{"application/json", &gw_schema_Thing, false, NULL}' in files['operations.c']


def scripted(schema):
    """A document of one operation whose body may also be a text."""
    doc = small()
    doc['paths']['/things']['post']['requestBody']['content']['text/x-shellscript'] = {
        'schema': schema, 'example': 'true'}
    return doc


def test_a_text_is_a_string():
    files = make(scripted({'type': 'string', 'maxLength': 9, 'pattern': '^[^\\u0000]*$'}))
    assert '{"text/x-shellscript", &gw_schema_makeThing_body, true, NULL}' in files['operations.c']
    refused(scripted({'type': 'boolean'}), 'text/x-shellscript/schema', 'of a text is a string')


def test_lines_without_a_schema_or_with_a_wrong_example_are_refused():
    refused(lined(example='{"a": true}\n{"b": true}\n'), 'example 0/b', 'unknown member')
    doc = lined()
    del doc['paths']['/things']['post']['requestBody']['content']['application/x-ndjson']['x-lines']
    refused(doc, 'x-lines is missing')
