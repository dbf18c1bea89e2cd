/**
 * An audit policy in the manner of the one that the EKS best practices print: changes of Jobs with request and response, a
 * kubelet's reports about pods with the request only, Secrets and ConfigMaps without their content, no Events.
 *
 * @see https://docs.aws.amazon.com/eks/latest/best-practices/auditing-and-logging.html
 */

const rule = (level: string, rest: object): object => ({ level, omitStages: ['RequestReceived'], ...rest });
const core = (...resources: readonly string[]): object => ({ group: '', resources });

/** The policy as an API object; kube-apiserver reads JSON where it reads YAML. */
export const auditPolicy: object = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  rules: [
    { level: 'None', nonResourceURLs: ['/healthz*', '/livez*', '/readyz*', '/version', '/openapi*', '/api', '/apis*'] },
    { level: 'None', resources: [core('events')] },
    { level: 'None', resources: [{ group: 'coordination.k8s.io' }] },
    rule('Request', {
      userGroups: ['system:nodes'],
      verbs: ['update', 'patch'],
      resources: [core('nodes/status', 'pods/status')],
    }),
    rule('Metadata', {
      resources: [core('secrets', 'configmaps', 'serviceaccounts/token'), { group: 'authentication.k8s.io' }],
    }),
    rule('Request', { verbs: ['get', 'list', 'watch'], resources: [core(), { group: 'batch' }] }),
    rule('RequestResponse', { resources: [core(), { group: 'batch' }] }),
    rule('Metadata', {}),
  ],
};
