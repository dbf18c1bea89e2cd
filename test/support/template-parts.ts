// Ways to read a template as it is written, before anything in it is resolved.
import { isList, isMap, type Json, type JsonMap } from '../../local/lambda/json.ts';

/** The resources of a type, by logical id, with their properties. */
export function resourcesOfType(template: JsonMap, type: string): [string, JsonMap][] {
  const resources = isMap(template['Resources']) ? Object.entries(template['Resources']) : [];
  return resources.flatMap(([id, resource]): [string, JsonMap][] => {
    const properties = member(resource, 'Properties');
    return member(resource, 'Type') === type ? [[id, isMap(properties) ? properties : {}]] : [];
  });
}

/** The statements of a policy; of a conditional one both branches. */
export function statementsOf(document: Json | undefined): JsonMap[] {
  return items(member(document, 'Statement'))
    .flatMap((statement) => {
      const branches = member(statement, 'Fn::If');
      return isList(branches) ? branches.slice(1) : [statement];
    })
    .filter(isMap)
    .filter((statement) => statement['Ref'] !== 'AWS::NoValue');
}

/** The logical id that a `Ref` or `Fn::GetAtt` names. */
export function targetOf(value: Json | undefined): string | undefined {
  const target = member(value, 'Ref') ?? member(value, 'Fn::GetAtt');
  const name = isList(target) ? target[0] : target;
  return typeof name === 'string' ? name.split('.')[0] : undefined;
}

/** A member of a mapping; undefined where there is no such thing. */
export function member(value: Json | undefined, name: string): Json | undefined {
  return isMap(value) ? value[name] : undefined;
}

/** A list, or the one item that stands for it. */
export function items(value: Json | undefined): readonly Json[] {
  return isList(value) ? value : value === undefined ? [] : [value];
}

/** What statements allow by a wildcard, as findings about who has them. A Deny may be as broad as it likes. */
export function wildcardsIn(id: string, statements: readonly JsonMap[]): string[] {
  return statements
    .filter((statement) => statement['Effect'] === 'Allow')
    .flatMap((statement) => items(statement['Action']).map(String))
    .filter((action) => action.includes('*'))
    .map((action) => `${id} allows ${action}`);
}
