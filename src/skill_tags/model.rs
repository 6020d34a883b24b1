//! A skill tag as authors see it.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A skill tag, whatever quests it is used in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SkillTag {
    #[schema(example = "pointers")]
    pub tag: String,
    /// In lower case, as it is compared
    #[serde(skip)]
    pub name: String,
    /// The User Service's skill of this name
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub skill_id: Option<Uuid>,
    /// A skill is known by this name, or each of the quests' skill rewards names its own
    pub resolved: bool,
    /// Quests that have the tag, or pay points in it
    #[schema(example = 3)]
    pub quests: i64,
}
