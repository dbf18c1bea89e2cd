// The filter of the audit log's subscription, from template.yaml itself.
import { resolveValue } from '../../local/lambda/cloudformation.ts';
import { isMap } from '../../local/lambda/json.ts';
import { loadTemplate } from '../../local/lambda/read-template.ts';

/** The filter pattern for executors in this namespace. */
export async function subscriptionPattern(namespace: string): Promise<string> {
  const template = await loadTemplate('template.yaml');
  const resources = isMap(template.document['Resources']) ? template.document['Resources'] : {};
  const subscription = isMap(resources['AuditLogSubscription']) ? resources['AuditLogSubscription'] : {};
  const properties = isMap(subscription['Properties']) ? subscription['Properties'] : {};
  const values = { parameters: { ExecutorEphemeralNamespace: namespace }, attributes: {} };
  return String(resolveValue(template.document, values, properties['FilterPattern'] ?? null, 'FilterPattern'));
}
