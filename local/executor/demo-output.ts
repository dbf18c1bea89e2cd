/** What the demo prints instead of running Terraform. */

const resource = 'terraform_data.demo';

const plan: readonly string[] = [
  'Terraform used the selected providers to generate the following execution plan.',
  `  # ${resource} will be created`,
  `  + resource "terraform_data" "demo" {`,
  '      + id = (known after apply)',
  '    }',
  'Plan: 1 to add, 0 to change, 0 to destroy.',
];

const outputs: Readonly<Record<string, readonly string[]>> = {
  terraformPlan: plan,
  terraformPlanDestroy: [`  # ${resource} will be destroyed`, 'Plan: 0 to add, 0 to change, 1 to destroy.'],
  terraformApply: [
    `${resource}: Creating...`,
    `${resource}: Creation complete after 0s`,
    'Apply complete! Resources: 1 added, 0 changed, 0 destroyed.',
  ],
  terraformDestroy: [`${resource}: Destroying...`, 'Destroy complete! Resources: 1 destroyed.'],
};

/** The lines of a step of this type. */
export function demoOutput(type: string): readonly string[] {
  return outputs[type] ?? [`Nothing to show for a step of type ${type}.`];
}
